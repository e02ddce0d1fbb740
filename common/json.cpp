#include "common/json.h"

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

  bool null() override { return m_dom.null(); }
  bool boolean(bool value) override { return m_dom.boolean(value); }
  bool number_integer(number_integer_t value) override { return m_dom.number_integer(value); }
  bool number_unsigned(number_unsigned_t value) override { return m_dom.number_unsigned(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    return m_dom.number_float(value, text);
  }
  bool string(string_t& value) override { return m_dom.string(value); }
  bool binary(binary_t& value) override { return m_dom.binary(value); }

  bool start_object(std::size_t count) override {
    m_keys.emplace_back();
    return deeper() && m_dom.start_object(count);
  }
  bool key(string_t& value) override {
    if (!m_keys.back().insert(value).second)
      return problem(fmt::format("key `{}` is there twice", printable(value, 60)));
    return m_dom.key(value);
  }
  bool end_object() override {
    m_keys.pop_back();
    --m_depth;
    return m_dom.end_object();
  }
  bool start_array(std::size_t count) override { return deeper() && m_dom.start_array(count); }
  bool end_array() override {
    --m_depth;
    return m_dom.end_array();
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    const std::string_view words = error.what();
    const std::size_t colon = words.rfind("; ");
    return problem(fmt::format(
        "at byte {}{}", position,
        colon == std::string_view::npos ? "" : fmt::format(": {}", printable(words.substr(colon + 2), 120))));
  }

  const std::string& problem() const { return m_problem; }

 private:
  bool deeper() {
    if (++m_depth > m_limits.max_depth)
      return problem(fmt::format("is nested more than {} levels deep", m_limits.max_depth));
    return true;
  }
  bool problem(std::string text) {
    m_problem = std::move(text);
    return false;
  }

  nlohmann::detail::json_sax_dom_parser<Json> m_dom;
  const JsonLimits& m_limits;
  std::vector<std::set<std::string>> m_keys;
  std::size_t m_depth = 0;
  std::string m_problem;
};

template<class T>
T required(std::optional<T> value) {
  return std::move(*value);
}

} // namespace

Result<Json> parse_json(std::string_view text, ErrorCode code, std::string_view what,
                        const JsonLimits& limits) {
  if (text.size() > limits.max_bytes)
    return fail(code, fmt::format("{} has over {} bytes", what, limits.max_bytes));
  Json value;
  GuardedBuilder builder(value, limits);
  if (!Json::sax_parse(text, &builder))
    return fail(code, fmt::format("{} is not valid JSON: {}", what, builder.problem()));
  return value;
}

std::string canonical_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
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
  return required(std::move(value));
}

Result<std::int64_t> need_integer(const Json& object, const char* key, ErrorCode code,
                                  std::string_view what) {
  MRUN_ASSIGN(auto value, json_integer(object, key, code, what));
  if (!value) return fail(code, fmt::format("{}: `{}` is missing", what, key));
  return required(std::move(value));
}

} // namespace mrun
