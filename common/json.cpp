#include "common/json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun {
namespace {

// Builds the value while it watches depth and duplicate keys; the iterative parser keeps the stack flat.
class GuardedBuilder : public nlohmann::json_sax<Json> {
 public:
  GuardedBuilder(Json& root, const JsonLimits& limits) : m_dom(root, false), m_limits(limits) {}

  bool null() override { return counted() && m_dom.null(); }
  bool boolean(bool value) override { return counted() && m_dom.boolean(value); }
  bool number_integer(number_integer_t value) override { return counted() && m_dom.number_integer(value); }
  bool number_unsigned(number_unsigned_t value) override { return counted() && m_dom.number_unsigned(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    return counted() && m_dom.number_float(value, text);
  }
  bool string(string_t& value) override { return counted() && m_dom.string(value); }
  bool binary(binary_t& value) override { return m_dom.binary(value); }

  bool start_object(std::size_t count) override {
    m_keys.emplace_back();
    return counted() && deeper() && m_dom.start_object(count);
  }
  bool key(string_t& value) override {
    if (!m_keys.back().insert(value).second)
      return refuse(fmt::format("key `{}` is there twice", printable(value, 60)));
    return m_dom.key(value);
  }
  bool end_object() override {
    m_keys.pop_back();
    --m_depth;
    return m_dom.end_object();
  }
  bool start_array(std::size_t count) override { return counted() && deeper() && m_dom.start_array(count); }
  bool end_array() override {
    --m_depth;
    return m_dom.end_array();
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    const std::string_view words = error.what();
    const std::size_t colon = words.rfind("; ");
    return refuse(fmt::format(
        "at byte {}{}", position,
        colon == std::string_view::npos ? "" : fmt::format(": {}", printable(words.substr(colon + 2), 120))));
  }

  const std::string& problem() const { return m_problem; }
  bool has_too_many() const { return m_values > m_limits.max_values; }

 private:
  bool counted() {
    if (++m_values <= m_limits.max_values) return true;
    return refuse(fmt::format("it has over {} values", m_limits.max_values));
  }
  bool deeper() {
    if (++m_depth > m_limits.max_depth)
      return refuse(fmt::format("is nested more than {} levels deep", m_limits.max_depth));
    return true;
  }
  bool refuse(std::string text) {
    m_problem = std::move(text);
    return false;
  }

  nlohmann::detail::json_sax_dom_parser<Json> m_dom;
  const JsonLimits& m_limits;
  std::vector<std::set<std::string>> m_keys;
  std::size_t m_values = 0;
  std::size_t m_depth = 0;
  std::string m_problem;
};

constexpr std::string_view k_hex_digits = "0123456789abcdef";

// Whether the byte stands for itself in a JSON string: no quote, no backslash, no control character, ASCII.
constexpr bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

// As Json::dump(-1, ' ', false, error_handler_t::replace) writes it, several times as fast (each request's
// answer, events and row are written with it) and with the shortest digits of every number, which the library
// misses now and then.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : m_out(out) {}

  void value(const Json& value) {
    switch (value.type()) {
    case Json::value_t::object:
      return object(value);
    case Json::value_t::array:
      return array(value);
    case Json::value_t::string:
      return string(value.get_ref<const std::string&>());
    case Json::value_t::boolean:
      return void(m_out += value.get<bool>() ? "true" : "false");
    case Json::value_t::number_integer:
      return number(value.get<std::int64_t>());
    case Json::value_t::number_unsigned:
      return number(value.get<std::uint64_t>());
    case Json::value_t::number_float:
      return real(value.get<double>());
    case Json::value_t::null:
      return void(m_out += "null");
    case Json::value_t::binary:
    case Json::value_t::discarded:
      m_out += dump(value); // never in what we read or build
    }
  }

 private:
  static std::string dump(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  void object(const Json& value) {
    m_out += '{';
    bool first = true;
    for (auto member = value.begin(); member != value.end(); ++member) {
      if (!std::exchange(first, false)) m_out += ',';
      string(member.key());
      m_out += ':';
      this->value(member.value());
    }
    m_out += '}';
  }

  void array(const Json& value) {
    m_out += '[';
    bool first = true;
    for (const Json& item : value) {
      if (!std::exchange(first, false)) m_out += ',';
      this->value(item);
    }
    m_out += ']';
  }

  void string(const std::string& text) {
    bool has_utf8 = false;
    std::size_t written = 0;
    const std::size_t begin = m_out.size();
    m_out += '"';
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (is_plain(text[at])) continue;
      if (static_cast<unsigned char>(text[at]) >= 0x80) {
        has_utf8 = true;
        continue;
      }
      m_out.append(text, written, at - written);
      escape(text[at]);
      written = at + 1;
    }
    m_out.append(text, written);
    m_out += '"';
    if (!has_utf8 || is_valid_utf8(text)) return;
    m_out.resize(begin);
    m_out += dump(text);
  }

  void escape(char c) {
    constexpr std::string_view letters = "btnvfr"; // of 0x08 to 0x0d; \v has no short form
    const auto byte = static_cast<unsigned char>(c);
    m_out += '\\';
    if (c == '"' || c == '\\') {
      m_out += c;
    } else if (byte >= 0x08 && byte <= 0x0d && c != '\v') {
      m_out += letters[byte - 0x08U];
    } else {
      m_out += "u00";
      m_out += k_hex_digits[byte >> 4U];
      m_out += k_hex_digits[byte & 15U];
    }
  }

  template<class Integer>
  void number(Integer value) {
    std::array<char, 24> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    m_out.append(text.data(), end);
  }

  // Plain from 1e-4 to below 1e15, where it gets `.0` if it is whole; else with an exponent of two digits or
  // more.
  void real(double value) {
    if (!std::isfinite(value)) return void(m_out += "null");
    std::array<char, 40> text;
    const double size = std::fabs(value);
    const bool plain = value == 0 || (size >= 1e-4 && size < 1e15);
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                   plain ? std::chars_format::fixed : std::chars_format::scientific)
                         .ptr;
    const std::string_view digits(text.data(), static_cast<std::size_t>(end - text.data()));
    m_out += digits;
    if (plain && digits.find('.') == std::string_view::npos) m_out += ".0";
  }

  std::string& m_out;
};

} // namespace

Result<Json> parse_json(std::string_view text, ErrorCode code, std::string_view what,
                        const JsonLimits& limits) {
  if (text.size() > limits.max_bytes)
    return fail(code, fmt::format("{} has over {} bytes", what, limits.max_bytes));
  Json value;
  GuardedBuilder builder(value, limits);
  if (!Json::sax_parse(text, &builder))
    return builder.has_too_many()
               ? fail(limits.too_many_values, fmt::format("{}: {}", what, builder.problem()))
               : fail(code, fmt::format("{} is not valid JSON: {}", what, builder.problem()));
  return value;
}

std::string canonical_json(const Json& value) {
  std::string text;
  JsonWriter(text).value(value);
  return text;
}

Result<std::optional<std::string>> json_string(const Json& object, const char* key, ErrorCode code,
                                               std::string_view what) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  if (!found->is_string()) return fail(code, fmt::format("{}: `{}` is not a string", what, key));
  return found->get<std::string>();
}

Result<std::optional<std::int64_t>> json_integer(const Json& object, const char* key, ErrorCode code,
                                                 std::string_view what) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  const bool too_large = found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX;
  if (!found->is_number_integer() || too_large)
    return fail(code, fmt::format("{}: `{}` is not an integer", what, key));
  return found->get<std::int64_t>();
}

Result<std::optional<bool>> json_bool(const Json& object, const char* key, ErrorCode code,
                                      std::string_view what) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  if (!found->is_boolean()) return fail(code, fmt::format("{}: `{}` is not true or false", what, key));
  return found->get<bool>();
}

Result<std::string> need_string(const Json& object, const char* key, ErrorCode code, std::string_view what) {
  MRUN_ASSIGN(auto value, json_string(object, key, code, what));
  if (!value) return fail(code, fmt::format("{}: `{}` is missing", what, key));
  return std::move(*value);
}

Result<std::int64_t> need_integer(const Json& object, const char* key, ErrorCode code,
                                  std::string_view what) {
  MRUN_ASSIGN(auto value, json_integer(object, key, code, what));
  if (!value) return fail(code, fmt::format("{}: `{}` is missing", what, key));
  return *value;
}

} // namespace mrun
