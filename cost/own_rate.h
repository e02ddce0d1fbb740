// `cost:` of config.yaml: what the user's own machine costs (docs/formats/config.md).
#pragma once

#include <string_view>

#include "cost/charge.h"
#include "packager/yaml_tree.h"

namespace mrun {

// Error config_invalid: `config.yaml:2:1: …`.
Result<OwnRate> read_own_rate(const YamlNode& node, std::string_view file_name);

} // namespace mrun
