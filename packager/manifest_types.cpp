// Types of inputs and outputs: which constraint fits which type, and that they do not contradict each other.
#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/manifest_reader.h"
#include "packager/value_check.h"

namespace mrun {
namespace {

constexpr std::int64_t k_max_count = 1'000'000'000'000;
constexpr std::size_t k_max_inputs = 256;
constexpr std::array<std::string_view, 9> k_type_names = {"string", "integer", "number", "boolean", "file",
                                                          "secret", "array",   "object", "any"};

// Which types a constraint says something about.
constexpr ValueType k_numeric[] = {ValueType::integer, ValueType::number};
bool constraint_fits(std::string_view key, ValueType type) {
  const bool text = type == ValueType::string || type == ValueType::secret;
  if (key == "ge" || key == "le")
    return std::find(std::begin(k_numeric), std::end(k_numeric), type) != std::end(k_numeric);
  if (key == "pattern") return text;
  if (key == "min_length" || key == "max_length") return text || type == ValueType::array;
  if (key == "length" || key == "items") return type == ValueType::array;
  if (key == "accept" || key == "max_bytes") return type == ValueType::file;
  if (key == "properties") return type == ValueType::object;
  if (key == "choices")
    return type == ValueType::string || type == ValueType::integer || type == ValueType::number ||
           type == ValueType::boolean;
  return true;
}

// A type is a mapping; where there is one word (`text: string`), how it is written.
Result<void> need_type_map(const ManifestReader& reader, const YamlNode& node, std::string_view what,
                           std::string_view key) {
  if (node.kind != YamlNode::Kind::scalar && node.kind != YamlNode::Kind::null) return {};
  const bool known = std::find(k_type_names.begin(), k_type_names.end(), node.text) != k_type_names.end();
  const std::string shown = printable(key, 60);
  return reader.refuse_value(node.place, fmt::format("{} is not a mapping (`key: value`)", what),
                             known ? fmt::format("write `{}: {{type: {}}}`", shown, node.text)
                                   : fmt::format("write `{}: {{type: T}}`, T one of {}", shown,
                                                 join_names({k_type_names.begin(), k_type_names.end()})));
}

Result<void> read_kind(const ManifestReader& reader, const YamlNode& node, std::string_view what,
                       TypeSpec& type) {
  const YamlNode* kind = node.find("type");
  if (kind == nullptr)
    return reader.refuse_value(node.place, fmt::format("{} has no `type`", what),
                               "add `type: string` or another of " +
                                   join_names({k_type_names.begin(), k_type_names.end()}));
  MRUN_ASSIGN(const std::string name, reader.string_of(*kind, "`type`"));
  const auto found = std::find(k_type_names.begin(), k_type_names.end(), name);
  if (found == k_type_names.end())
    return reader.refuse_value(
        kind->place, fmt::format("{} has the type `{}`, it must be one of {}", what, printable(name, 40),
                                 join_names({k_type_names.begin(), k_type_names.end()})));
  type.type = static_cast<ValueType>(found - k_type_names.begin());
  for (const YamlNode::Key& key : node.keys)
    if (!constraint_fits(key.text, type.type))
      return reader.refuse_value(key.place,
                                 fmt::format("`{}` says nothing about the type {}", key.text, name));
  return {};
}

Result<void> read_bound(const ManifestReader& reader, const YamlNode& node, std::string_view key,
                        std::optional<double>& out) {
  const YamlNode* bound = node.find(key);
  if (bound == nullptr) return {};
  MRUN_ASSIGN(const Json value, reader.json_of(*bound));
  if (!value.is_number())
    return reader.refuse_value(bound->place,
                               fmt::format("`{}` is {}, not a number", key, describe_value(value)));
  out = value.get<double>();
  return {};
}

Result<void> read_count(const ManifestReader& reader, const YamlNode& node, std::string_view key,
                        std::optional<std::uint64_t>& out) {
  if (node.find(key) == nullptr) return {};
  std::int64_t value = 0;
  MRUN_TRY(reader.read_integer(node, key, 0, k_max_count, value));
  out = static_cast<std::uint64_t>(value);
  return {};
}

Result<void> read_limits(const ManifestReader& reader, const YamlNode& node, TypeSpec& type) {
  MRUN_TRY(read_bound(reader, node, "ge", type.ge));
  MRUN_TRY(read_bound(reader, node, "le", type.le));
  if (type.ge && type.le && *type.ge > *type.le)
    return reader.refuse_value(node.find("le")->place, "`le` is smaller than `ge`: no value would fit");
  MRUN_TRY(read_count(reader, node, "min_length", type.min_length));
  MRUN_TRY(read_count(reader, node, "max_length", type.max_length));
  MRUN_TRY(read_count(reader, node, "length", type.length));
  MRUN_TRY(read_count(reader, node, "max_bytes", type.max_bytes));
  if (type.min_length && type.max_length && *type.min_length > *type.max_length)
    return reader.refuse_value(node.find("max_length")->place,
                               "`max_length` is smaller than `min_length`: no value would fit");
  if (type.length && (type.min_length || type.max_length))
    return reader.refuse_value(node.find("length")->place, "`length` excludes `min_length` and `max_length`");
  MRUN_TRY(reader.read_string(node, "pattern", type.pattern));
  if (!type.pattern.empty()) {
    Result<std::shared_ptr<const re2::RE2>> compiled = compile_pattern(type.pattern);
    if (!compiled)
      return reader.refuse_value(
          node.find("pattern")->place, fmt::format("`pattern` {}", compiled.error().message),
          "patterns are RE2: regular expressions without look-around and back-references");
    type.compiled_pattern = std::move(*compiled);
  }
  return reader.read_strings(node, "accept", type.accept);
}

Result<void> read_choices(const ManifestReader& reader, const YamlNode& node, TypeSpec& type) {
  const YamlNode* list = node.find("choices");
  if (list == nullptr) return {};
  MRUN_TRY(reader.need_sequence(*list, "`choices`"));
  if (list->items.empty()) return reader.refuse_value(list->place, "`choices` is empty");
  std::vector<Json> choices;
  std::set<Json> seen;
  for (const YamlNode& item : list->items) {
    MRUN_ASSIGN(const Json value, reader.json_of(item));
    Result<Json> checked = check_value(type, value, "a choice", FileForm::uri);
    if (!checked) return reader.refuse_value(item.place, checked.error().message);
    if (!seen.insert(*checked).second)
      return reader.refuse_value(item.place,
                                 fmt::format("`choices` has {} twice", printable(canonical_json(value), 60)));
    choices.push_back(std::move(*checked));
  }
  type.choices = std::move(choices);
  return {};
}

Result<void> read_parts(const ManifestReader& reader, const YamlNode& node, TypeSpec& type) {
  if (const YamlNode* items = node.find("items")) {
    MRUN_ASSIGN(TypeSpec item, read_type(reader, *items, "`items`", "items"));
    type.items.push_back(std::move(item));
  }
  const YamlNode* properties = node.find("properties");
  if (properties == nullptr) return {};
  if (properties->kind != YamlNode::Kind::map)
    return reader.refuse_value(properties->place, "`properties` is not a mapping (`name: {type: …}`)");
  for (std::size_t i = 0; i < properties->keys.size(); ++i) {
    const std::string& name = properties->keys[i].text;
    MRUN_ASSIGN(TypeSpec property, read_type(reader, properties->items[i],
                                             fmt::format("property `{}`", printable(name, 60)), name));
    type.properties.push_back({name, std::move(property)});
  }
  return {};
}

// Everything but the set of keys, which differs between inputs, outputs and parts.
Result<TypeSpec> read_type_body(const ManifestReader& reader, const YamlNode& node, std::string_view what) {
  TypeSpec type;
  MRUN_TRY(read_kind(reader, node, what, type));
  MRUN_TRY(reader.read_string(node, "description", type.description));
  MRUN_TRY(read_limits(reader, node, type));
  MRUN_TRY(read_parts(reader, node, type));
  MRUN_TRY(read_choices(reader, node, type));
  return type;
}

Result<InputSpec> read_input(const ManifestReader& reader, const YamlNode::Key& key, const YamlNode& node) {
  const std::string what = fmt::format("input `{}`", printable(key.text, 60));
  if (!is_identifier(key.text))
    return reader.refuse_value(key.place, what + " is not named with letters, digits and _");
  if (key.text == "output")
    return reader.refuse_value(key.place, "an input can't be called `output`, the steps use that name");
  MRUN_TRY(need_type_map(reader, node, what, key.text));
  MRUN_TRY(reader.need_map(node, what,
                           {"type", "description", "default", "optional", "deprecated", "ge", "le",
                            "min_length", "max_length", "length", "pattern", "choices", "accept", "max_bytes",
                            "items", "properties"}));
  InputSpec input;
  input.name = key.text;
  MRUN_ASSIGN(input.type, read_type_body(reader, node, what));
  MRUN_TRY(reader.read_bool(node, "optional", input.optional));
  MRUN_TRY(reader.read_bool(node, "deprecated", input.deprecated));
  if (const YamlNode* written = node.find("default")) {
    MRUN_ASSIGN(const Json value, reader.json_of(*written));
    if (input.type.type == ValueType::file)
      return reader.refuse_value(written->place, "a file input has no default", "make it `optional: true`");
    Result<Json> checked =
        check_value(input.type, value, fmt::format("the default of input `{}`", input.name), FileForm::uri);
    if (!checked) return reader.refuse_value(written->place, checked.error().message);
    input.default_value = std::move(*checked);
  }
  return input;
}

} // namespace

std::string_view value_type_name(ValueType type) {
  return k_type_names[static_cast<std::size_t>(type)];
}

Result<TypeSpec> read_type(const ManifestReader& reader, const YamlNode& node, std::string_view what,
                           std::string_view key) {
  MRUN_TRY(need_type_map(reader, node, what, key));
  MRUN_TRY(reader.need_map(node, what,
                           {"type", "description", "ge", "le", "min_length", "max_length", "length",
                            "pattern", "choices", "accept", "max_bytes", "items", "properties"}));
  return read_type_body(reader, node, what);
}

Result<std::vector<InputSpec>> read_inputs(const ManifestReader& reader, const YamlNode& node) {
  std::vector<InputSpec> inputs;
  if (node.kind == YamlNode::Kind::null) return inputs;
  if (node.kind != YamlNode::Kind::map)
    return reader.refuse_value(node.place, "`inputs` is not a mapping (`name: {type: …}`)");
  if (node.keys.size() > k_max_inputs)
    return reader.refuse(
        node.place, ErrorCode::manifest_limit,
        fmt::format("there are {} inputs, at most {} are allowed", node.keys.size(), k_max_inputs));
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    MRUN_ASSIGN(InputSpec input, read_input(reader, node.keys[i], node.items[i]));
    inputs.push_back(std::move(input));
  }
  return inputs;
}

Result<TypeSpec> read_output(const ManifestReader& reader, const YamlNode& node) {
  MRUN_TRY(need_type_map(reader, node, "`output`", "output"));
  MRUN_TRY(
      reader.need_map(node, "`output`",
                      {"type", "description", "ge", "le", "min_length", "max_length", "length", "pattern",
                       "choices", "accept", "max_bytes", "items", "properties", "iterator", "concatenate"}));
  MRUN_ASSIGN(TypeSpec output, read_type_body(reader, node, "`output`"));
  MRUN_TRY(reader.read_bool(node, "iterator", output.iterator));
  MRUN_TRY(reader.read_bool(node, "concatenate", output.concatenate));
  if (output.concatenate && output.type != ValueType::string)
    return reader.refuse_value(node.find("concatenate")->place,
                               "only pieces of type string can be concatenated");
  output.iterator = output.iterator || output.concatenate;
  return output;
}

} // namespace mrun
