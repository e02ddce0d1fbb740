#include "packager/value_check.h"

#include <cmath>

#include <fmt/format.h>
#include <re2/re2.h>

#include "common/media_type.h"
#include "common/text.h"
#include "packager/manifest_reader.h"
#include "packager/schema.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_pattern_bytes = 1024;

RE2::Options pattern_options() {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(4 << 20);
  return options;
}

std::string number_text(double value) {
  const bool whole = value == std::floor(value) && std::fabs(value) < 9.007199254740992e15;
  return whole ? fmt::format("{}", static_cast<std::int64_t>(value)) : fmt::format("{}", value);
}

// "between 1 and 1000", "at least 1", "at most 5"; empty when there is no bound.
std::string range_text(const TypeSpec& type) {
  if (type.ge && type.le)
    return fmt::format("between {} and {}", number_text(*type.ge), number_text(*type.le));
  if (type.ge) return "at least " + number_text(*type.ge);
  return type.le ? "at most " + number_text(*type.le) : std::string();
}

std::string count_text(const TypeSpec& type, std::string_view unit) {
  if (type.length) return fmt::format("exactly {} {}", *type.length, unit);
  if (type.min_length && type.max_length)
    return fmt::format("{} to {} {}", *type.min_length, *type.max_length, unit);
  if (type.min_length) return fmt::format("at least {} {}", *type.min_length, unit);
  return type.max_length ? fmt::format("at most {} {}", *type.max_length, unit) : std::string();
}

std::string choices_text(const std::vector<Json>& choices) {
  std::string out;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (i == 20) return out + fmt::format(", … ({} in all)", choices.size());
    out += (i == 0 ? "" : ", ") + printable(canonical_json(choices[i]), 60);
  }
  return out;
}

bool in_count(const TypeSpec& type, std::size_t count) {
  return !(type.length && count != *type.length) && !(type.min_length && count < *type.min_length) &&
         !(type.max_length && count > *type.max_length);
}

std::string shown(const Json& value) {
  return printable(canonical_json(value), 80);
}

tl::unexpected<Error> wrong_type(const TypeSpec& type, const Json& value, std::string_view name) {
  return fail(ErrorCode::input_type,
              fmt::format("{} is {}, it must be {}", name, describe_value(value), describe_type(type)));
}

// long double holds every int64, uint64 and double exactly.
long double exact(const Json& value) {
  if (value.is_number_unsigned()) return static_cast<long double>(value.get<std::uint64_t>());
  if (value.is_number_integer()) return static_cast<long double>(value.get<std::int64_t>());
  return static_cast<long double>(value.get<double>());
}

Result<Json> check_number(const TypeSpec& type, const Json& value, std::string_view name) {
  if (!value.is_number() || (value.is_number_float() && !std::isfinite(value.get<double>())))
    return wrong_type(type, value, name);
  Json out = value;
  if (type.type == ValueType::integer && value.is_number_float()) {
    const double number = value.get<double>();
    if (number != std::floor(number) || std::fabs(number) > 9.007199254740992e15)
      return wrong_type(type, value, name);
    out = static_cast<std::int64_t>(number);
  }
  const long double number = exact(out);
  if (type.type == ValueType::integer && number > static_cast<long double>(INT64_MAX))
    return fail(ErrorCode::input_range,
                fmt::format("{} is {}, integers go up to {}", name, shown(value), INT64_MAX));
  if ((type.ge && number < static_cast<long double>(*type.ge)) ||
      (type.le && number > static_cast<long double>(*type.le)))
    return fail(ErrorCode::input_range,
                fmt::format("{} is {}, it must be {}", name, shown(out), range_text(type)));
  return out;
}

Result<Json> check_string(const TypeSpec& type, const Json& value, std::string_view name) {
  if (!value.is_string()) return wrong_type(type, value, name);
  const std::string& text = value.get_ref<const std::string&>();
  if (!is_valid_utf8(text)) return fail(ErrorCode::input_type, fmt::format("{} is not valid UTF-8", name));
  if (type.min_length || type.max_length) {
    const std::size_t count = code_point_count(text);
    if (!in_count(type, count))
      return fail(ErrorCode::input_length, fmt::format("{} has {} characters, it must have {}", name, count,
                                                       count_text(type, "characters")));
  }
  if (type.compiled_pattern && !RE2::PartialMatch(text, *type.compiled_pattern))
    return fail(ErrorCode::input_length, fmt::format("{} is \"{}\", it must match {}", name,
                                                     printable(text, 60), printable(type.pattern)));
  return value;
}

Result<Json> check_data_uri(const TypeSpec& type, const Json& value, std::string_view text,
                            std::string_view name) {
  const std::size_t comma = text.find(',');
  if (comma == std::string_view::npos)
    return fail(ErrorCode::input_file, fmt::format("{} is a data: URI without a comma", name));
  const std::string_view head = text.substr(5, comma - 5);
  const std::string media_type = lower_ascii(head.substr(0, head.find(';')));
  const bool is_told =
      !media_type.empty() && media_type != "application/octet-stream"; // else the decoder finds out
  if (is_told && !accepts_media_type(type.accept, media_type))
    return fail(ErrorCode::input_file, fmt::format("{} is of type {}, it must be {}", name,
                                                   printable(media_type, 60), describe_type(type)));
  const std::uint64_t payload = text.size() - comma - 1;
  const std::uint64_t size_bytes = head.ends_with(";base64") ? payload / 4 * 3 : payload; // within 2 bytes
  if (type.max_bytes && size_bytes > *type.max_bytes + 2)
    return fail(ErrorCode::input_file, fmt::format("{} has {}, at most {} are allowed", name,
                                                   format_bytes(size_bytes), format_bytes(*type.max_bytes)));
  return value;
}

Result<Json> check_file(const TypeSpec& type, const Json& value, std::string_view name, FileForm form) {
  if (form == FileForm::uri_or_path && file_argument_path(value)) return value;
  if (!value.is_string()) return wrong_type(type, value, name);
  const std::string& text = value.get_ref<const std::string&>();
  if (form == FileForm::bundle_path) {
    if (text.size() < 2 || text[0] != '@' || !SafePath::parse(text.substr(1)))
      return fail(
          ErrorCode::input_file,
          fmt::format("{} is \"{}\", a file of the bundle is written \"@path\"", name, printable(text, 60)));
    return value;
  }
  if (text.starts_with("data:")) return check_data_uri(type, value, text, name);
  if (text.starts_with("http://") || text.starts_with("https://")) return value;
  return fail(ErrorCode::input_file,
              fmt::format("{} is \"{}\", it must be {}", name, printable(text, 60), describe_type(type)),
              "give a data: URI, or the URL of an upload (on the command line: -i key=@file)");
}

Result<Json> check_array(const TypeSpec& type, const Json& value, std::string_view name, FileForm files) {
  if (!value.is_array()) return wrong_type(type, value, name);
  if (!in_count(type, value.size()))
    return fail(ErrorCode::input_length, fmt::format("{} has {} items, it must have {}", name, value.size(),
                                                     count_text(type, "items")));
  if (type.items.empty()) return value;
  Json out = Json::array();
  for (std::size_t i = 0; i < value.size(); ++i) {
    Result<Json> item = check_value(type.items[0], value[i], name, files);
    // Only what is wrong is worth its whole name: there may be a million items.
    if (!item) return check_value(type.items[0], value[i], fmt::format("{}, item {},", name, i), files);
    out.push_back(std::move(*item));
  }
  return out;
}

Result<Json> check_object(const TypeSpec& type, const Json& value, std::string_view name, FileForm files) {
  if (!value.is_object()) return wrong_type(type, value, name);
  if (type.properties.empty()) return value;
  std::vector<std::string> names;
  for (const auto& [key, property] : type.properties)
    names.push_back(key);
  for (const auto& [key, member] : value.items())
    if (std::find(names.begin(), names.end(), key) == names.end()) {
      const std::string near = nearest(key, names);
      return fail(
          ErrorCode::input_type,
          fmt::format("{} has a key `{}`, its keys are {}", name, printable(key, 60), join_names(names)),
          near.empty() ? "" : fmt::format("the nearest is `{}`", near));
    }
  Json out = Json::object();
  for (const auto& [key, property] : type.properties) {
    const auto found = value.find(key);
    if (found == value.end())
      return fail(ErrorCode::input_type,
                  fmt::format("{} has no key `{}`: {}", name, key, describe_type(property)));
    MRUN_ASSIGN(out[key], check_value(property, *found, fmt::format("{}, key `{}`,", name, key), files));
  }
  return out;
}

Result<void> check_choice(const TypeSpec& type, const Json& value, std::string_view name) {
  if (type.choices.empty() ||
      std::find(type.choices.begin(), type.choices.end(), value) != type.choices.end())
    return {};
  std::vector<std::string> names;
  for (const Json& choice : type.choices)
    if (choice.is_string()) names.push_back(choice.get<std::string>());
  const std::string near =
      value.is_string() ? nearest(value.get_ref<const std::string&>(), names) : std::string();
  return fail(ErrorCode::input_choice,
              fmt::format("{} is {}, it must be one of {}", name, shown(value), choices_text(type.choices)),
              near.empty() ? "" : fmt::format("the nearest is \"{}\"", near));
}

Result<Json> check_kind(const TypeSpec& type, const Json& value, std::string_view name, FileForm files) {
  switch (type.type) {
  case ValueType::integer:
  case ValueType::number:
    return check_number(type, value, name);
  case ValueType::string:
  case ValueType::secret:
    return check_string(type, value, name);
  case ValueType::boolean:
    if (!value.is_boolean()) return wrong_type(type, value, name);
    return value;
  case ValueType::file:
    return check_file(type, value, name, files);
  case ValueType::array:
    return check_array(type, value, name, files);
  case ValueType::object:
    return check_object(type, value, name, files);
  case ValueType::any:
    return value;
  }
  invariant_broken("every kind is handled", __FILE__, __LINE__);
}

std::string with_detail(std::string_view noun, std::string_view detail) {
  return detail.empty() ? std::string(noun) : fmt::format("{} {}", noun, detail);
}

} // namespace

Result<Json> check_value(const TypeSpec& type, const Json& value, std::string_view name, FileForm files) {
  MRUN_ASSIGN(Json out, check_kind(type, value, name, files));
  MRUN_TRY(check_choice(type, out, name));
  return out;
}

std::string describe_type(const TypeSpec& type) {
  if (!type.choices.empty()) return "one of " + choices_text(type.choices);
  const std::string characters = count_text(type, "characters");
  switch (type.type) {
  case ValueType::integer:
    return with_detail("an integer", range_text(type));
  case ValueType::number:
    return with_detail("a number", range_text(type));
  case ValueType::boolean:
    return "true or false";
  case ValueType::string:
    return characters.empty() ? "a text" : "a text of " + characters;
  case ValueType::secret:
    return "a secret text";
  case ValueType::file:
    return type.accept.empty() ? "a file" : fmt::format("a file ({})", join_names(type.accept));
  case ValueType::array: {
    const std::string items = count_text(type, "items");
    return items.empty() ? "a list" : "a list of " + items;
  }
  case ValueType::object:
    return "an object";
  case ValueType::any:
    return "any value";
  }
  invariant_broken("every kind is handled", __FILE__, __LINE__);
}

Result<std::shared_ptr<const re2::RE2>> compile_pattern(const std::string& pattern) {
  if (pattern.size() > k_max_pattern_bytes)
    return fail(ErrorCode::manifest_value,
                fmt::format("has {} bytes, at most {} are allowed", pattern.size(), k_max_pattern_bytes));
  auto compiled = std::make_shared<const RE2>(pattern, pattern_options());
  if (!compiled->ok()) return fail(ErrorCode::manifest_value, printable(compiled->error(), 120));
  return compiled;
}

std::size_t code_point_count(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text)
    count += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  return count;
}

} // namespace mrun
