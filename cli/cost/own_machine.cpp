#include "cli/cost/own_machine.h"

#include "packager/config_file.h"

namespace mrun::cli {

Result<std::optional<OwnRate>> load_own_rate(const Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  const std::string path = home.config_file.string();
  MRUN_ASSIGN(const std::optional<std::string> text, read_config_file(path));
  if (!text) return std::optional<OwnRate>();
  MRUN_ASSIGN(const YamlNode root, parse_config_tree(*text, path));
  const YamlNode* cost = root.kind == YamlNode::Kind::map ? root.find("cost") : nullptr;
  if (cost == nullptr) return std::optional<OwnRate>();
  MRUN_ASSIGN(OwnRate rate, read_own_rate(*cost, path));
  return std::optional(std::move(rate));
}

} // namespace mrun::cli
