// `-i key=value`, typed by the model's schema.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"
#include "packager/manifest_reader.h"
#include "packager/schema_check.h"

namespace mrun {
namespace {

tl::unexpected<Error> wrong_type(const InputArgument& argument, const TypeSpec& type, std::string hint = {}) {
  return fail(ErrorCode::input_type,
              fmt::format("input `{}` is \"{}\", it must be {}", argument.key, printable(argument.value, 60),
                          describe_type(type)),
              std::move(hint));
}

Result<Json> text_to_number(const InputArgument& argument, const TypeSpec& type) {
  const std::string_view text = argument.value;
  const char* end = text.data() + text.size();
  std::int64_t whole = 0;
  if (const auto [at, error] = std::from_chars(text.data(), end, whole);
      error == std::errc() && at == end && !text.empty())
    return Json(whole);
  double real = 0;
  if (const auto [at, error] = std::from_chars(text.data(), end, real);
      error == std::errc() && at == end && std::isfinite(real) && !text.empty())
    return Json(real);
  return wrong_type(argument, type);
}

Result<Json> text_to_value(const InputArgument& argument, const TypeSpec& type) {
  switch (type.type) {
  case ValueType::integer:
  case ValueType::number:
    return text_to_number(argument, type);
  case ValueType::boolean:
    if (argument.value != "true" && argument.value != "false") return wrong_type(argument, type);
    return Json(argument.value == "true");
  case ValueType::file:
    if (argument.value.starts_with("data:") || argument.value.starts_with("http://") ||
        argument.value.starts_with("https://"))
      return Json(argument.value);
    return fail(ErrorCode::input_file, fmt::format("input `{}` takes a file", argument.key),
                fmt::format("write -i {}=@{}", argument.key,
                            printable(argument.value.substr(argument.value.starts_with('@') ? 1 : 0), 100)));
  case ValueType::array:
  case ValueType::object:
    return wrong_type(argument, type, fmt::format("write -i {}:='JSON'", argument.key));
  case ValueType::string:
  case ValueType::secret:
  case ValueType::any:
    break;
  }
  if (!is_valid_utf8(argument.value))
    return fail(ErrorCode::input_type, fmt::format("input `{}` is not valid UTF-8", argument.key),
                fmt::format("for a file write -i {}=@FILE", argument.key));
  return Json(argument.value);
}

Result<std::string> read_text_file(const InputArgument& argument) {
  if (argument.value == "-")
    return read_all(STDIN_FILENO, k_max_body_bytes, "standard input", ErrorCode::input_file);
  return read_file(argument.value, k_max_body_bytes, ErrorCode::input_file, ErrorCode::input_file);
}

// A file for a file input goes to the client as a path; for a text its content is the value, otherwise it is
// JSON.
Result<Json> file_to_value(const InputArgument& argument, const TypeSpec& type) {
  if (type.type == ValueType::file || type.type == ValueType::any) return file_argument(argument.value);
  MRUN_ASSIGN(std::string text, read_text_file(argument));
  if (type.type == ValueType::string || type.type == ValueType::secret) {
    if (!is_valid_utf8(text))
      return fail(ErrorCode::input_file, fmt::format("input `{}` is a text, and {} is not UTF-8",
                                                     argument.key, printable(argument.value, 100)));
    return Json(std::move(text));
  }
  return parse_json(text, ErrorCode::input_syntax,
                    fmt::format("input `{}`, file {},", argument.key, printable(argument.value, 100)));
}

Result<Json> argument_value(const InputArgument& argument, const TypeSpec& type) {
  switch (argument.kind) {
  case InputArgument::Kind::text:
    return text_to_value(argument, type);
  case InputArgument::Kind::file:
    return file_to_value(argument, type);
  case InputArgument::Kind::json:
    return parse_json(argument.value, ErrorCode::input_syntax, fmt::format("input `{}`", argument.key));
  }
  invariant_broken("every kind is handled", __FILE__, __LINE__);
}

// A list input takes one item per argument, except where JSON gives the whole list.
bool appends(const InputArgument& argument, const TypeSpec& type) {
  if (type.type != ValueType::array || argument.kind == InputArgument::Kind::json) return false;
  const bool file_items = !type.items.empty() && type.items[0].type == ValueType::file;
  return argument.kind == InputArgument::Kind::text || file_items;
}

Result<void> add_argument(const InputArgument& argument, const TypeSpec& type, Json& input) {
  if (!appends(argument, type)) {
    if (input.contains(argument.key))
      return fail(ErrorCode::input_syntax, fmt::format("input `{}` is given twice", argument.key));
    MRUN_ASSIGN(input[argument.key], argument_value(argument, type));
    return {};
  }
  if (argument.kind == InputArgument::Kind::text && argument.value.starts_with('['))
    return fail(ErrorCode::input_type, fmt::format("input `{}` is a list", argument.key),
                fmt::format("write -i {}:='{}', or each item by itself: -i {}=A -i {}=B", argument.key,
                            printable(argument.value, 100), argument.key, argument.key));
  const TypeSpec any_item;
  Json& list = input[argument.key];
  if (list.is_null()) list = Json::array();
  MRUN_ASSIGN(Json item, argument_value(argument, type.items.empty() ? any_item : type.items[0]));
  list.push_back(std::move(item));
  return {};
}

} // namespace

Result<InputArgument> parse_input_argument(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos)
    return fail(ErrorCode::input_syntax, fmt::format("`-i {}` has no `=`", printable(text, 100)));
  const bool json = equals > 0 && text[equals - 1] == ':';
  InputArgument argument{InputArgument::Kind::text, std::string(text.substr(0, json ? equals - 1 : equals)),
                         std::string(text.substr(equals + 1))};
  if (argument.key.empty())
    return fail(ErrorCode::input_syntax,
                fmt::format("`-i {}` has no name before the `=`", printable(text, 100)));
  if (json) {
    argument.kind = InputArgument::Kind::json;
  } else if (argument.value.starts_with("@@")) {
    argument.value.erase(0, 1);
  } else if (argument.value.starts_with("@")) {
    argument.kind = InputArgument::Kind::file;
    argument.value.erase(0, 1);
    if (argument.value.empty())
      return fail(ErrorCode::input_syntax,
                  fmt::format("`-i {}=@` names no file", printable(argument.key, 60)),
                  "for a value that begins with @ write @@");
  }
  return argument;
}

Result<Json> input_from_arguments(const Manifest& manifest, const std::vector<InputArgument>& arguments) {
  Json input = Json::object();
  for (const InputArgument& argument : arguments) {
    const auto same = [&](const InputSpec& spec) { return spec.name == argument.key; };
    const auto spec = std::find_if(manifest.inputs.begin(), manifest.inputs.end(), same);
    if (spec == manifest.inputs.end()) return fail_unknown_input(manifest, argument.key);
    MRUN_TRY(add_argument(argument, spec->type, input));
  }
  MRUN_ASSIGN(const Json checked, check_input_values(manifest, input, FileForm::uri_or_path));
  Json given = Json::object(); // checked values, without the defaults: the daemon fills those in
  for (const auto& [name, value] : input.items())
    if (checked.contains(name)) given[name] = checked[name];
  return given;
}

Json file_argument(std::string_view path) {
  return Json::binary(Json::binary_t::container_type(path.begin(), path.end()));
}

std::optional<std::string> file_argument_path(const Json& value) {
  if (!value.is_binary()) return std::nullopt;
  const Json::binary_t& bytes = value.get_binary();
  return std::string(bytes.begin(), bytes.end());
}

} // namespace mrun
