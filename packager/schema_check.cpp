// A prediction's input against the manifest: unknown and missing names here, values in value_check.
#include "packager/schema_check.h"

#include <fmt/format.h>

#include "common/text.h"

namespace mrun {
namespace {

std::string input_label(const std::string& name) {
  return fmt::format("input `{}`", name);
}

// What to type for an input that is missing: its example from the manifest, else a value of its type.
std::string argument_example(const Manifest& manifest, const InputSpec& input) {
  for (const Example& example : manifest.examples) {
    const auto found = example.input.find(input.name);
    if (found == example.input.end() || canonical_json(*found).size() > 80) continue;
    if (input.type.type == ValueType::file)
      return fmt::format("-i {}={}", input.name, found->get<std::string>());
    if (found->is_string()) return fmt::format("-i {}={}", input.name, canonical_json(*found));
    return fmt::format("-i {}:='{}'", input.name, canonical_json(*found));
  }
  switch (input.type.type) {
  case ValueType::file:
    return fmt::format("-i {}=@FILE", input.name);
  case ValueType::array:
    return fmt::format("-i {}:='[…]'", input.name);
  case ValueType::object:
    return fmt::format("-i {}:='{{…}}'", input.name);
  default:
    return fmt::format("-i {}=…", input.name);
  }
}

} // namespace

std::vector<std::string> input_names(const Manifest& manifest) {
  std::vector<std::string> names;
  for (const InputSpec& input : manifest.inputs)
    names.push_back(input.name);
  return names;
}

tl::unexpected<Error> fail_unknown_input(const Manifest& manifest, std::string_view name) {
  const std::vector<std::string> names = input_names(manifest);
  const std::string near = nearest(name, names);
  std::string hint = "it has no inputs";
  if (!near.empty())
    hint = fmt::format("the nearest is `{}`", near);
  else if (!names.empty()) {
    hint = "its inputs are ";
    for (std::size_t i = 0; i < names.size(); ++i)
      hint += fmt::format("{}`{}`", i == 0 ? "" : ", ", names[i]);
  }
  return fail(ErrorCode::input_unknown,
              fmt::format("{} has no input `{}`", manifest.name, printable(name, 60)), std::move(hint));
}

Result<Json> check_input_values(const Manifest& manifest, const Json& input, FileForm files) {
  if (!input.is_object())
    return fail(ErrorCode::input_type, "the input is not an object (`{\"name\": value}`)");
  for (const auto& [name, value] : input.items()) {
    const auto same = [&](const InputSpec& spec) { return spec.name == name; };
    if (std::none_of(manifest.inputs.begin(), manifest.inputs.end(), same))
      return fail_unknown_input(manifest, name);
  }
  Json out = Json::object();
  for (const InputSpec& spec : manifest.inputs) {
    const auto found = input.find(spec.name);
    const bool absent = found == input.end() || (found->is_null() && spec.optional);
    if (!absent) {
      MRUN_ASSIGN(out[spec.name], check_value(spec.type, *found, input_label(spec.name), files));
    } else if (spec.default_value) {
      out[spec.name] = *spec.default_value;
    } else if (!spec.optional) {
      return fail(ErrorCode::input_missing,
                  fmt::format("{} is missing: {}", input_label(spec.name), describe_type(spec.type)),
                  "add " + argument_example(manifest, spec));
    }
  }
  return out;
}

Result<Json> check_input(const Manifest& manifest, const Json& input) {
  return check_input_values(manifest, input, FileForm::uri);
}

} // namespace mrun
