// config.yaml as it is written: its keys, and those that commands read without the daemon
// (docs/formats/config.md).
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "packager/signature_rule.h"
#include "packager/yaml_tree.h"

namespace mrun {

// Every key, whoever reads it: a typing mistake is an error to all.
inline constexpr std::array<std::string_view, 15> k_config_keys = {
    "memory_budget", "max_queue",     "idle_unload",    "drain_timeout", "zygote",
    "torch_dir",     "cost",          "cost_reference", "registry",      "require_signature",
    "models",        "token_servers", "listen",         "allow_hosts",   "insecure_plaintext"};

// Unknown keys are errors, with the nearest known one. Error config_invalid: `config.yaml:3:1: …`.
Result<void> check_config_keys(std::string_view file_name, const YamlNode& node, std::string_view what,
                               std::span<const std::string_view> known);

// The tree, its top keys checked; a null for an empty text.
Result<YamlNode> parse_config_tree(std::string_view text, std::string_view file_name);

// What push and pull go by.
struct SharingConfig {
  std::string registry; // host for a reference without one; "" when not set
  std::vector<SignatureRule> require_signature;
  // Of a registry: who else gets its credentials, to give tokens. HOST[:PORT], both in their one spelling.
  std::map<std::string, std::vector<std::string>> token_servers;
};
Result<SharingConfig> read_sharing_config(const YamlNode& root, std::string_view file_name);
// An absent file is the default configuration.
Result<SharingConfig> load_sharing_config(const std::string& path);

// The text of the file; nullopt when there is none.
Result<std::optional<std::string>> read_config_file(const std::string& path);

} // namespace mrun
