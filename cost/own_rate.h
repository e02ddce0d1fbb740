// `cost:` of config.yaml: what the user's own machine costs (docs/formats/config.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cost/charge.h"
#include "packager/yaml_tree.h"

namespace mrun {

// Error config_invalid: `config.yaml:2:1: …`.
Result<OwnRate> read_own_rate(const YamlNode& node, std::string_view file_name);

// That of a configuration file; nullopt: there is none, or it says nothing of a cost. Errors: io,
// config_invalid.
Result<std::optional<OwnRate>> load_own_rate(const std::string& path);

} // namespace mrun
