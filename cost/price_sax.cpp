#include "cost/price_sax.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "common/json.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_rows = 20'000;

// Tells how far the parser has read: it takes one character at a time, and at most one ahead.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** reached) : m_at(at), m_reached(reached) {}
  reference operator*() const { return *m_at; }
  CountingIterator& operator++() {
    *m_reached = ++m_at;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return m_at == other.m_at; }
  bool operator!=(const CountingIterator& other) const { return m_at != other.m_at; }

 private:
  const char* m_at;
  const char** m_reached;
};

// Depth 1 is the array, 2 a row, 3 its `dims` or `states`. Anything else is a row's problem or the book's
// error.
class PriceSax : public nlohmann::json_sax<Json> {
 public:
  explicit PriceSax(std::string_view text) : reached(text.data()), m_text(text) {}

  const char* reached; // behind the last character that was read
  std::size_t error_offset = 0;
  std::vector<PriceFields> rows;
  std::string error;

  bool null() override { return add({PriceScalar::Kind::null, ""}); }
  bool boolean(bool value) override { return add({PriceScalar::Kind::boolean, value ? "true" : "false"}); }
  bool number_integer(number_integer_t value) override {
    return add({PriceScalar::Kind::number, fmt::format("{}", value)});
  }
  bool number_unsigned(number_unsigned_t value) override {
    return add({PriceScalar::Kind::number, fmt::format("{}", value)});
  }
  // `text` is the number as it stands in the file: the only thing that is used.
  bool number_float(number_float_t, const string_t& text) override {
    return add({PriceScalar::Kind::number, text});
  }
  bool string(string_t& value) override { return add({PriceScalar::Kind::text, value}); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override {
    ++m_depth;
    if (m_depth == 1) return refuse("the price book is not a JSON array");
    if (m_depth == 2) {
      if (rows.size() == k_max_rows) return refuse(fmt::format("there are more than {} rows", k_max_rows));
      rows.emplace_back();
      rows.back().offset = offset() - 1;
      return true;
    }
    m_inner = m_depth == 3 ? inner_of(m_key) : nullptr;
    if (m_inner == nullptr)
      rows.back().problem = fmt::format("`{}` can't be an object", printable(m_key, 40));
    return true;
  }
  bool key(string_t& value) override {
    m_key = value;
    if (m_depth == 2) rows.back().offsets.emplace(m_key, offset() - std::min(offset(), value.size() + 2));
    return true;
  }
  bool end_object() override {
    if (--m_depth <= 2) m_inner = nullptr;
    return true;
  }
  bool start_array(std::size_t) override {
    if (++m_depth == 1) return true;
    if (rows.empty() || m_depth == 2) return refuse("a row of the price book is not an object");
    rows.back().problem = fmt::format("`{}` can't be an array", printable(m_key, 40));
    return true;
  }
  bool end_array() override {
    --m_depth;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    const bool is_first = error.empty();
    const bool result = refuse("the price book is not valid JSON");
    if (is_first) error_offset = position > 0 ? position - 1 : 0;
    return result;
  }

 private:
  std::size_t offset() const { return static_cast<std::size_t>(reached - m_text.data()); }

  using Fields = std::map<std::string, PriceScalar>;

  Fields* inner_of(const std::string& name) {
    return name == "dims" ? &rows.back().dims : name == "states" ? &rows.back().states : nullptr;
  }
  bool refuse(std::string text) {
    if (error.empty()) {
      error = std::move(text);
      error_offset = offset() > 0 ? offset() - 1 : 0;
    }
    return false;
  }
  bool add(PriceScalar value) {
    if (m_depth == 0) return refuse("the price book is not a JSON array");
    if (m_depth == 1) return refuse("a row of the price book is not an object");
    if (m_depth >= 3 && m_inner == nullptr) return true; // below something that is already a problem
    Fields& fields = m_depth == 2 ? rows.back().scalars : *m_inner;
    if (m_depth > 3 || !fields.emplace(m_key, std::move(value)).second)
      rows.back().problem = fmt::format("`{}` is there twice or too deep", printable(m_key, 40));
    return true;
  }

  std::string_view m_text;
  int m_depth = 0;
  std::string m_key;
  Fields* m_inner = nullptr;
};

} // namespace

Result<std::vector<PriceFields>> read_price_fields(std::string_view text) {
  PriceSax sax(text);
  const CountingIterator first(text.data(), &sax.reached);
  const CountingIterator last(text.data() + text.size(), &sax.reached);
  if (!Json::sax_parse(first, last, &sax))
    return fail(ErrorCode::price_file,
                fmt::format("{}: {}", place_in_text(text, sax.error_offset), sax.error));
  return std::move(sax.rows);
}

std::string place_in_text(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const std::size_t line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  const std::size_t newline = before.rfind('\n');
  const std::size_t column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
  return fmt::format("{}:{}", line, column);
}

} // namespace mrun
