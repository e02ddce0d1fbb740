#include "cli/snippet/values.h"

#include <fmt/format.h>

#include "cli/render/json_text.h"
#include "common/media_type.h"
#include "packager/schema.h"

namespace mrun::cli {
namespace {

std::string value_text(const Json& value, const Dialect& dialect) {
  if (const auto path = file_argument_path(value)) return dialect.file(*path);
  if (value.is_string()) return dialect.text(value.get_ref<const std::string&>());
  if (value.is_null()) return std::string(dialect.nothing);
  if (value.is_boolean()) return std::string(value.get<bool>() ? dialect.yes : dialect.no);
  if (!value.is_structured()) return plain_json(value);
  std::string text;
  for (const auto& [key, member] : value.items()) {
    if (!text.empty()) text += ", ";
    if (value.is_object()) text += dialect.text(key) + ": ";
    text += value_text(member, dialect);
  }
  return value.is_object() ? fmt::format("{{{}}}", text) : fmt::format("[{}]", text);
}

} // namespace

std::string input_text(const SampleInput& input, const Dialect& dialect, std::size_t indent) {
  std::string text;
  for (const auto& [name, value] : input.values.items()) {
    const bool is_secret = input.secrets.contains(name);
    text += fmt::format("{}{}{:{}}{}: {}", text.empty() ? "" : ",", "\n", "", indent, dialect.text(name),
                        is_secret ? dialect.secret(secret_variable(name)) : value_text(value, dialect));
  }
  return text.empty() ? "{}" : fmt::format("{{{}\n{:{}}}}", text, "", indent - 2);
}

std::string media_type_of_name(const std::string& path) {
  return guess_media_type(path, "");
}

std::string json_text(const std::string& text) {
  return plain_json(Json(text));
}

} // namespace mrun::cli
