#include "packager/config_file.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/limits.h"
#include "common/text.h"
#include "packager/reference.h"
#include "packager/registry_host.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_config_bytes = 1 * k_mib;

// registry.example.com: auth.example.net, or a list of such.
Result<std::map<std::string, std::vector<std::string>>> read_token_servers(const YamlNode& node,
                                                                           std::string_view file_name) {
  const auto refuse = [&](YamlPlace place, std::string_view message) {
    return fail_at(file_name, place, ErrorCode::config_invalid, message,
                   "write token_servers: {registry.example.com: auth.example.net}");
  };
  if (node.kind != YamlNode::Kind::map)
    return refuse(node.place, "`token_servers` is not a map of registries");
  const auto is_host = [](const std::string& text) {
    const auto example = Reference::parse(text + "/owner/name");
    return text.find('/') == std::string::npos && example && !example->host.empty();
  };
  std::map<std::string, std::vector<std::string>> servers;
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const YamlNode& value = node.items[i];
    const bool list = value.kind == YamlNode::Kind::sequence;
    if (!is_host(node.keys[i].text))
      return refuse(node.keys[i].place, fmt::format("`{}` is no host", printable(node.keys[i].text, 100)));
    std::vector<std::string>& of = servers[canonical_host(node.keys[i].text)];
    for (const YamlNode& server : list ? value.items : std::vector<YamlNode>{value}) {
      if (server.kind != YamlNode::Kind::scalar || !is_host(server.text))
        return refuse(server.place, fmt::format("`{}` is no host", printable(server.text, 100)));
      of.push_back(canonical_host(server.text));
    }
  }
  return servers;
}

} // namespace

Result<void> check_config_keys(std::string_view file_name, const YamlNode& node, std::string_view what,
                               std::span<const std::string_view> known) {
  if (node.kind != YamlNode::Kind::map)
    return fail_at(file_name, node.place, ErrorCode::config_invalid,
                   fmt::format("{} is not a map of keys", what));
  for (const YamlNode::Key& key : node.keys) {
    if (std::find(known.begin(), known.end(), key.text) != known.end()) continue;
    const std::string near = nearest(key.text, std::vector<std::string>(known.begin(), known.end()));
    return fail_at(file_name, key.place, ErrorCode::config_invalid,
                   fmt::format("{} has no key `{}`", what, printable(key.text, 60)),
                   near.empty() ? "see docs/formats/config.md" : fmt::format("did you mean `{}`?", near));
  }
  return {};
}

Result<YamlNode> parse_config_tree(std::string_view text, std::string_view file_name) {
  MRUN_ASSIGN(YamlNode root,
              parse_yaml(text, file_name, YamlErrors{ErrorCode::config_invalid, ErrorCode::config_invalid}));
  if (root.kind != YamlNode::Kind::null)
    MRUN_TRY(check_config_keys(file_name, root, "the configuration", k_config_keys));
  return root;
}

Result<SharingConfig> read_sharing_config(const YamlNode& root, std::string_view file_name) {
  SharingConfig config;
  if (root.kind == YamlNode::Kind::null) return config;
  if (const YamlNode* registry = root.find("registry")) {
    if (registry->kind != YamlNode::Kind::scalar)
      return fail_at(file_name, registry->place, ErrorCode::config_invalid,
                     "`registry` is not a single value");
    config.registry = registry->text;
  }
  if (const YamlNode* rules = root.find("require_signature")) {
    MRUN_ASSIGN(config.require_signature, read_signature_rules(*rules, file_name));
  }
  if (const YamlNode* servers = root.find("token_servers")) {
    MRUN_ASSIGN(config.token_servers, read_token_servers(*servers, file_name));
  }
  return config;
}

Result<std::optional<std::string>> read_config_file(const std::string& path) {
  // one that is there and can't be looked at must not count as none: it may ask for signatures
  if (::access(path.c_str(), F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
    return std::optional<std::string>();
  MRUN_ASSIGN(std::string text,
              read_file(path, k_max_config_bytes, ErrorCode::config_invalid, ErrorCode::config_invalid));
  return std::optional<std::string>(std::move(text));
}

Result<SharingConfig> load_sharing_config(const std::string& path) {
  MRUN_ASSIGN(const std::optional<std::string> text, read_config_file(path));
  if (!text) return SharingConfig();
  MRUN_ASSIGN(const YamlNode root, parse_config_tree(*text, path));
  return read_sharing_config(root, path);
}

} // namespace mrun
