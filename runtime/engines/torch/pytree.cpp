#include "runtime/engines/torch/pytree.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

namespace mrun::torch_engine {
namespace {

constexpr std::size_t k_max_leaves = 100'000;

tl::unexpected<Error> bad_spec(std::string_view why) {
  return fail(ErrorCode::load_failed, fmt::format("the program's pytree specification is damaged: {}", why));
}

struct Walker {
  const NamedTuples& named_tuples;
  std::vector<std::string> paths;

  Result<void> walk(const Json& node, const std::string& prefix);
  // What the children of `node` are called.
  std::vector<std::string> child_names(const Json& node, std::size_t count) const;
  Json tree(const Json& node, const std::vector<std::string>& leaf_names, std::size_t& next) const;
};

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

std::vector<std::string> positions(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i)
    names.push_back(std::to_string(i));
  return names;
}

// A dict's context is a JSON list of its keys; a defaultdict's an object that has it as `dict_context`.
std::vector<std::string> keys_of(const Json& context, std::size_t count) {
  const bool nested = context.is_object() && context.contains("dict_context");
  const Json* list = nested ? &context["dict_context"] : &context;
  if (!list->is_array() || list->size() != count) return positions(count);
  std::vector<std::string> names;
  for (const Json& key : *list)
    names.push_back(key.is_string() ? key.get<std::string>() : key.dump());
  return names;
}

// Fields of a dataclass (torch.export.register_dataclass): its context is two lists of names, those that are
// set and those that are None. nullopt: it is none. A dict's keys may be lists, too.
std::optional<std::vector<std::string>> fields_of(const Json& type, const Json& context, std::size_t count) {
  constexpr std::array<std::string_view, 3> k_dicts = {"builtins.dict", "collections.OrderedDict",
                                                       "collections.defaultdict"};
  if (!type.is_string() || std::ranges::find(k_dicts, type.get<std::string>()) != k_dicts.end())
    return std::nullopt;
  if (!context.is_array() || context.size() != 2 || !context[0].is_array() || !context[1].is_array() ||
      context[0].size() != count)
    return std::nullopt;
  std::vector<std::string> names;
  for (const Json& name : context[0]) {
    if (!name.is_string()) return std::nullopt;
    names.push_back(name.get<std::string>());
  }
  return names;
}

std::vector<std::string> Walker::child_names(const Json& node, std::size_t count) const {
  const auto context = node.find("context");
  if (context == node.end() || !context->is_string()) return positions(count);
  const std::string text = context->get<std::string>();
  const auto tuple = named_tuples.find(text);
  if (tuple != named_tuples.end() && tuple->second.size() == count) return tuple->second;
  const Result<Json> parsed = parse_json(text, ErrorCode::load_failed, "pytree context");
  if (!parsed) return positions(count);
  if (auto fields = fields_of(node["type"], *parsed, count)) return std::move(*fields);
  return keys_of(*parsed, count);
}

Result<void> check_node(const Json& node) {
  if (!node.is_object() || !node.contains("type") || !node.contains("children_spec"))
    return bad_spec("no type");
  return node["children_spec"].is_array() ? Result<void>() : bad_spec("no children");
}

Result<void> Walker::walk(const Json& node, const std::string& prefix) {
  MRUN_TRY(check_node(node));
  const Json& children = node["children_spec"];
  if (node["type"].is_null()) {
    if (paths.size() >= k_max_leaves) return bad_spec("too many leaves");
    paths.push_back(prefix.empty() ? "0" : prefix);
    return {};
  }
  const std::vector<std::string> names = child_names(node, children.size());
  for (std::size_t i = 0; i < children.size(); ++i)
    MRUN_TRY(walk(children[i], join(prefix, names[i])));
  return {};
}

Json Walker::tree(const Json& node, const std::vector<std::string>& leaf_names, std::size_t& next) const {
  if (node["type"].is_null()) return Json(leaf_names[next++]);
  const Json& children = node["children_spec"];
  const std::vector<std::string> names = child_names(node, children.size());
  const bool named = node["type"].is_string() && names != positions(children.size());
  Json result = named ? Json::object() : Json::array();
  for (std::size_t i = 0; i < children.size(); ++i) {
    Json child = tree(children[i], leaf_names, next);
    if (named)
      result[names[i]] = std::move(child);
    else
      result.push_back(std::move(child));
  }
  return result;
}

Result<Json> parse_spec(std::string_view spec) {
  MRUN_ASSIGN(Json parsed, parse_json(spec, ErrorCode::load_failed, "the program's pytree specification"));
  if (!parsed.is_array() || parsed.size() != 2 || parsed[0] != 1) return bad_spec("another version");
  return Json(std::move(parsed[1]));
}

} // namespace

Result<std::vector<std::string>> leaf_paths(std::string_view spec, const NamedTuples& named_tuples) {
  MRUN_ASSIGN(const Json root, parse_spec(spec));
  Walker walker{named_tuples, {}};
  MRUN_TRY(walker.walk(root, ""));
  return std::move(walker.paths);
}

Result<Json> leaf_tree(std::string_view spec, const NamedTuples& named_tuples,
                       const std::vector<std::string>& leaf_names) {
  MRUN_ASSIGN(const Json root, parse_spec(spec));
  Walker walker{named_tuples, {}};
  MRUN_TRY(walker.walk(root, "")); // so the shape is right, and no deeper than parse_json allows
  if (walker.paths.size() != leaf_names.size()) return bad_spec("another number of leaves");
  std::size_t next = 0;
  return walker.tree(root, leaf_names, next);
}

Result<std::vector<std::string>> input_paths(std::string_view spec, const NamedTuples& named_tuples,
                                             const std::vector<std::string>& argument_names) {
  MRUN_ASSIGN(const Json root, parse_spec(spec));
  MRUN_TRY(check_node(root));
  if (root["children_spec"].size() != 2) return bad_spec("in_spec is not (args, kwargs)");
  const Json& arguments = root["children_spec"][0];
  const Json& keywords = root["children_spec"][1];
  MRUN_TRY(check_node(arguments));
  MRUN_TRY(check_node(keywords));
  Walker walker{named_tuples, {}};
  const Json& positional = arguments["children_spec"];
  for (std::size_t i = 0; i < positional.size(); ++i)
    MRUN_TRY(walker.walk(positional[i], i < argument_names.size() ? argument_names[i] : std::to_string(i)));
  const std::vector<std::string> names = walker.child_names(keywords, keywords["children_spec"].size());
  for (std::size_t i = 0; i < names.size(); ++i)
    MRUN_TRY(walker.walk(keywords["children_spec"][i], names[i]));
  return std::move(walker.paths);
}

} // namespace mrun::torch_engine
