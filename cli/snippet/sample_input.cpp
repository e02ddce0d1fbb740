#include "cli/snippet/sample_input.h"

#include <algorithm>

#include "common/media_type.h"
#include "packager/schema.h"

namespace mrun::cli {
namespace {

constexpr std::string_view k_sample_text = "hello";
constexpr const char* k_sample_url = "https://example.com/file"; // where a check wants some file

Json sample_text(const TypeSpec& type) {
  std::string text(k_sample_text);
  if (type.min_length && text.size() < *type.min_length) text.resize(*type.min_length, 'o');
  if (type.max_length && text.size() > *type.max_length) text.resize(*type.max_length);
  return text;
}

Json sample_number(const TypeSpec& type) {
  const double value = type.ge ? *type.ge : type.le ? std::min(*type.le, 1.0) : 1.0;
  return type.type == ValueType::integer ? Json(static_cast<std::int64_t>(value)) : Json(value);
}

// input.png where pictures are taken.
Json sample_file(const TypeSpec& type) {
  return file_argument("input." + (type.accept.empty() ? "bin" : extension_of_media_type(type.accept[0])));
}

Json sample_value(const TypeSpec& type) {
  if (!type.choices.empty()) return type.choices[0];
  switch (type.type) {
  case ValueType::string:
  case ValueType::secret:
  case ValueType::any:
    return sample_text(type);
  case ValueType::integer:
  case ValueType::number:
    return sample_number(type);
  case ValueType::boolean:
    return true;
  case ValueType::file:
    return sample_file(type);
  case ValueType::array: {
    const std::uint64_t count = type.length.value_or(std::max<std::uint64_t>(type.min_length.value_or(1), 1));
    return Json(std::min<std::uint64_t>(count, 1000),
                type.items.empty() ? Json("hello") : sample_value(type.items[0]));
  }
  case ValueType::object: {
    Json object = Json::object();
    for (const PropertySpec& property : type.properties)
      object[property.name] = sample_value(property.type);
    return object;
  }
  }
  return nullptr;
}

const TypeSpec* type_of(const Manifest& manifest, const std::string& name) {
  const auto found = std::ranges::find(manifest.inputs, name, &InputSpec::name);
  return found == manifest.inputs.end() ? nullptr : &found->type;
}

bool is_needed(const InputSpec& input) {
  return !input.default_value && !input.optional;
}

// A file of the bundle, "@cat.png": in the caller's folder it has the same name.
Json example_value(const TypeSpec& type, const Json& value) {
  if (type.type == ValueType::array && value.is_array() && !type.items.empty()) {
    Json list = Json::array();
    for (const Json& item : value)
      list.push_back(example_value(type.items[0], item));
    return list;
  }
  if (type.type != ValueType::file || !value.is_string()) return value;
  const std::string& text = value.get_ref<const std::string&>();
  return text.starts_with('@')
             ? file_argument(text.substr(text.rfind('/') + 1 == 0 ? 1 : text.rfind('/') + 1))
             : value;
}

Json example_input(const Manifest& manifest) {
  Json values = Json::object();
  for (const auto& [name, value] : manifest.examples[0].input.items())
    if (const TypeSpec* type = type_of(manifest, name)) values[name] = example_value(*type, value);
  return values;
}

// What must be given; of a model that needs nothing, its first input.
Json schema_input(const Manifest& manifest) {
  Json values = Json::object();
  for (const InputSpec& input : manifest.inputs)
    if (is_needed(input)) values[input.name] = sample_value(input.type);
  if (!values.empty() || manifest.inputs.empty()) return values;
  const InputSpec& first = manifest.inputs.front();
  values[first.name] = first.default_value ? *first.default_value : sample_value(first.type);
  return values;
}

Result<Json> given_input(const Manifest& manifest, const std::vector<std::string>& texts) {
  std::vector<InputArgument> arguments;
  for (const std::string& text : texts) {
    MRUN_ASSIGN(InputArgument argument, parse_input_argument(text));
    arguments.push_back(std::move(argument));
  }
  // A secret's value is never printed, so it need not be given.
  for (const InputSpec& input : manifest.inputs)
    if (input.type.type == ValueType::secret && is_needed(input) &&
        std::ranges::find(arguments, input.name, &InputArgument::key) == arguments.end())
      arguments.push_back(
          {InputArgument::Kind::text, input.name, sample_value(input.type).get<std::string>()});
  return input_from_arguments(manifest, arguments);
}

Json with_urls(const Json& value) {
  if (value.is_binary()) return k_sample_url;
  if (!value.is_array()) return value;
  Json list = Json::array();
  for (const Json& item : value)
    list.push_back(with_urls(item));
  return list;
}

} // namespace

Result<SampleInput> sample_input(const Manifest& manifest, const std::vector<std::string>& arguments) {
  SampleInput sample;
  if (!arguments.empty()) {
    MRUN_ASSIGN(sample.values, given_input(manifest, arguments));
  } else {
    sample.values = manifest.examples.empty() ? schema_input(manifest) : example_input(manifest);
    Json checked = Json::object();
    for (const auto& [name, value] : sample.values.items())
      checked[name] = with_urls(value);
    if (const auto fits = check_input(manifest, checked); !fits) sample.doubt = fits.error().message;
  }
  for (const auto& [name, value] : sample.values.items())
    if (const TypeSpec* type = type_of(manifest, name); type != nullptr && type->type == ValueType::secret)
      sample.secrets.insert(name);
  return sample;
}

std::string secret_variable(const std::string& input) {
  std::string variable;
  for (const char c : input)
    variable += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return variable;
}

} // namespace mrun::cli
