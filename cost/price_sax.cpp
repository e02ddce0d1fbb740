#include "cost/price_sax.h"

#include <fmt/format.h>

#include "common/json.h"
#include "common/text.h"

namespace mrun {
namespace {

// Depth 1 is the array, 2 a row, 3 its `dims` or `states`. Anything else is a row's problem or the book's
// error.
class PriceSax : public nlohmann::json_sax<Json> {
 public:
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
      rows.emplace_back();
      return true;
    }
    m_inner = m_depth == 3 ? inner_of(m_key) : nullptr;
    if (m_inner == nullptr)
      rows.back().problem = fmt::format("`{}` can't be an object", printable(m_key, 40));
    return true;
  }
  bool key(string_t& value) override {
    m_key = value;
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
    return refuse(fmt::format("the price book is not valid JSON at byte {}", position));
  }

 private:
  using Fields = std::map<std::string, PriceScalar>;

  Fields* inner_of(const std::string& name) {
    return name == "dims" ? &rows.back().dims : name == "states" ? &rows.back().states : nullptr;
  }
  bool refuse(std::string text) {
    if (error.empty()) error = std::move(text);
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

  int m_depth = 0;
  std::string m_key;
  Fields* m_inner = nullptr;
};

} // namespace

Result<std::vector<PriceFields>> read_price_fields(std::string_view text) {
  PriceSax sax;
  if (!Json::sax_parse(text, &sax)) return fail(ErrorCode::config_invalid, sax.error);
  return std::move(sax.rows);
}

} // namespace mrun
