#include "packager/manifest_reader.h"

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun {

std::string join_names(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names)
    out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::string describe_value(const Json& value) {
  switch (value.type()) {
  case Json::value_t::null:
    return "nothing";
  case Json::value_t::boolean:
    return value.get<bool>() ? "true" : "false";
  case Json::value_t::string:
    return fmt::format("the text \"{}\"", printable(value.get_ref<const std::string&>(), 60));
  case Json::value_t::array:
    return "a list";
  case Json::value_t::object:
    return "an object";
  default:
    return "the number " + canonical_json(value);
  }
}

bool is_identifier(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (text.empty() || text.size() > 128 || !letter(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

Result<void> ManifestReader::need_map(const YamlNode& node, std::string_view what,
                                      std::initializer_list<std::string_view> allowed) const {
  if (node.kind != YamlNode::Kind::map)
    return refuse_value(node.place, fmt::format("{} is not a mapping (`key: value`)", what));
  for (const YamlNode::Key& key : node.keys) {
    if (std::find(allowed.begin(), allowed.end(), key.text) != allowed.end()) continue;
    const std::vector<std::string> names(allowed.begin(), allowed.end());
    const std::string near = nearest(key.text, names);
    return refuse(key.place, ErrorCode::manifest_unknown_key,
                  fmt::format("{} has no key `{}`", what, printable(key.text, 60)),
                  near.empty() ? "its keys are " + join_names(names)
                               : fmt::format("the nearest is `{}`", near));
  }
  return {};
}

Result<void> ManifestReader::need_sequence(const YamlNode& node, std::string_view what) const {
  if (node.kind != YamlNode::Kind::sequence)
    return refuse_value(node.place, fmt::format("{} is not a list (`- item`, or `[item]`)", what));
  return {};
}

Result<std::string> ManifestReader::string_of(const YamlNode& node, std::string_view what) const {
  if (node.kind == YamlNode::Kind::null) return refuse_value(node.place, fmt::format("{} is empty", what));
  if (node.kind != YamlNode::Kind::scalar)
    return refuse_value(node.place, fmt::format("{} is not a text", what));
  MRUN_ASSIGN(const Json value, json_of(node));
  if (!value.is_string())
    return refuse_value(node.place, fmt::format("{} is {}, not a text", what, describe_value(value)),
                        fmt::format("write it in quotes: \"{}\"", printable(node.text, 60)));
  return node.text;
}

Result<void> ManifestReader::read_string(const YamlNode& map, std::string_view key, std::string& out) const {
  if (const YamlNode* node = map.find(key)) {
    MRUN_ASSIGN(out, string_of(*node, fmt::format("`{}`", key)));
  }
  return {};
}

Result<void> ManifestReader::read_integer(const YamlNode& map, std::string_view key, std::int64_t least,
                                          std::int64_t most, std::int64_t& out) const {
  const YamlNode* node = map.find(key);
  if (node == nullptr) return {};
  MRUN_ASSIGN(const Json value, json_of(*node));
  if (!value.is_number_integer())
    return refuse_value(node->place, fmt::format("`{}` is {}, not an integer", key, describe_value(value)));
  const bool too_large =
      value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  if (too_large || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most)
    return refuse_value(node->place, fmt::format("`{}` is {}, it must be between {} and {}", key,
                                                 canonical_json(value), least, most));
  out = value.get<std::int64_t>();
  return {};
}

Result<void> ManifestReader::read_bool(const YamlNode& map, std::string_view key, bool& out) const {
  const YamlNode* node = map.find(key);
  if (node == nullptr) return {};
  MRUN_ASSIGN(const Json value, json_of(*node));
  if (!value.is_boolean())
    return refuse_value(node->place,
                        fmt::format("`{}` is {}, it must be true or false", key, describe_value(value)));
  out = value.get<bool>();
  return {};
}

Result<void> ManifestReader::read_strings(const YamlNode& map, std::string_view key,
                                          std::vector<std::string>& out) const {
  const YamlNode* node = map.find(key);
  if (node == nullptr) return {};
  MRUN_TRY(need_sequence(*node, fmt::format("`{}`", key)));
  out.clear();
  std::unordered_set<std::string> seen;
  for (const YamlNode& item : node->items) {
    MRUN_ASSIGN(std::string text, string_of(item, fmt::format("an entry of `{}`", key)));
    if (text.empty()) return refuse_value(item.place, fmt::format("an entry of `{}` is empty", key));
    if (!seen.insert(text).second)
      return refuse_value(item.place, fmt::format("`{}` has \"{}\" twice", key, printable(text, 60)));
    out.push_back(std::move(text));
  }
  return {};
}

} // namespace mrun
