// examples and warmup: inputs written in the manifest, checked like a caller's.
#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/glob.h"
#include "packager/manifest_reader.h"
#include "packager/value_check.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_examples = 1000;

Result<void> check_bundle_file(const ManifestReader& reader, const Manifest& manifest, YamlPlace place,
                               const std::string& path) {
  const auto matches = [&](const std::string& glob) { return glob_match(glob, path); };
  if (std::any_of(manifest.files.begin(), manifest.files.end(), matches)) return {};
  return reader.refuse_value(place, fmt::format("`{}` is not in `files:`", printable(path, 100)),
                             "add it to `files:`");
}

Result<Json> read_input_object(const ManifestReader& reader, const Manifest& manifest, const YamlNode& node,
                               std::string_view what) {
  if (node.kind != YamlNode::Kind::map)
    return reader.refuse_value(node.place, fmt::format("{} is not a mapping (`input: value`)", what));
  std::vector<std::string> names;
  for (const InputSpec& input : manifest.inputs)
    names.push_back(input.name);
  Json object = Json::object();
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const auto found = std::find(names.begin(), names.end(), node.keys[i].text);
    if (found == names.end()) {
      const std::string near = nearest(node.keys[i].text, names);
      return reader.refuse_value(
          node.keys[i].place,
          fmt::format("{} has `{}`, but there is no such input", what, printable(node.keys[i].text, 60)),
          near.empty() ? "" : fmt::format("the nearest is `{}`", near));
    }
    const InputSpec& input = manifest.inputs[static_cast<std::size_t>(found - names.begin())];
    MRUN_ASSIGN(const Json value, reader.json_of(node.items[i]));
    Result<Json> checked = check_value(input.type, value, fmt::format("{}: input `{}`", what, input.name),
                                       FileForm::bundle_path);
    if (!checked)
      return reader.refuse_value(node.items[i].place, checked.error().message, checked.error().hint);
    if (input.type.type == ValueType::file)
      MRUN_TRY(check_bundle_file(reader, manifest, node.items[i].place,
                                 checked->get_ref<const std::string&>().substr(1)));
    object[input.name] = std::move(*checked);
  }
  for (const InputSpec& input : manifest.inputs)
    if (!object.contains(input.name) && !input.default_value && !input.optional)
      return reader.refuse_value(node.place, fmt::format("{} lacks the input `{}`", what, input.name));
  return object;
}

Result<Json> read_expect(const ManifestReader& reader, const Manifest& manifest, const YamlNode& node) {
  MRUN_TRY(reader.need_map(node, "`expect`", {"match", "close_to", "atol", "rtol"}));
  const YamlNode* path = node.find("close_to");
  if ((path != nullptr) == (node.find("match") != nullptr))
    return reader.refuse_value(node.place, "`expect` has either `match` or `close_to`");
  if (path != nullptr) {
    MRUN_ASSIGN(const std::string text, reader.string_of(*path, "`close_to`"));
    MRUN_TRY(check_bundle_file(reader, manifest, path->place, text));
  }
  for (const std::string_view key : {"atol", "rtol"}) {
    const YamlNode* tolerance = node.find(key);
    if (tolerance == nullptr) continue;
    MRUN_ASSIGN(const Json value, reader.json_of(*tolerance));
    if (path == nullptr || !value.is_number() || value.get<double>() < 0)
      return reader.refuse_value(tolerance->place,
                                 fmt::format("`{}` is a number of at least 0, beside `close_to`", key));
  }
  return reader.json_of(node);
}

Result<Example> read_example(const ManifestReader& reader, const Manifest& manifest, const YamlNode& node) {
  MRUN_TRY(reader.need_map(node, "an example", {"name", "input", "expect"}));
  Example example;
  MRUN_TRY(reader.read_string(node, "name", example.name));
  if (example.name.empty() || example.name.size() > 128)
    return reader.refuse_value(node.place, "an example needs a `name` of 1 to 128 characters");
  const YamlNode* input = node.find("input");
  if (input == nullptr)
    return reader.refuse_value(node.place,
                               fmt::format("example `{}` has no `input`", printable(example.name, 60)));
  MRUN_ASSIGN(example.input, read_input_object(reader, manifest, *input,
                                               fmt::format("example `{}`", printable(example.name, 60))));
  if (const YamlNode* expect = node.find("expect")) {
    MRUN_ASSIGN(example.expect, read_expect(reader, manifest, *expect));
  }
  return example;
}

Result<void> need_list(const ManifestReader& reader, const YamlNode& node, std::string_view what) {
  MRUN_TRY(reader.need_sequence(node, what));
  if (node.items.size() > k_max_examples)
    return reader.refuse(
        node.place, ErrorCode::manifest_limit,
        fmt::format("{} has {} entries, at most {} are allowed", what, node.items.size(), k_max_examples));
  return {};
}

} // namespace

Result<void> read_examples(const ManifestReader& reader, const YamlNode* examples, const YamlNode* warmup,
                           Manifest& manifest) {
  if (examples != nullptr && examples->kind != YamlNode::Kind::null) {
    MRUN_TRY(need_list(reader, *examples, "`examples`"));
    for (const YamlNode& node : examples->items) {
      MRUN_ASSIGN(Example example, read_example(reader, manifest, node));
      const auto same = [&](const Example& other) { return other.name == example.name; };
      if (std::any_of(manifest.examples.begin(), manifest.examples.end(), same))
        return reader.refuse_value(node.place,
                                   fmt::format("there are two examples `{}`", printable(example.name, 60)));
      manifest.examples.push_back(std::move(example));
    }
  }
  if (warmup != nullptr && warmup->kind != YamlNode::Kind::null) {
    MRUN_TRY(need_list(reader, *warmup, "`warmup`"));
    for (const YamlNode& node : warmup->items) {
      MRUN_ASSIGN(Json input, read_input_object(reader, manifest, node, "a warm-up"));
      manifest.warmup.push_back(std::move(input));
    }
  }
  return {};
}

} // namespace mrun
