// Man pages from the flag table and the manifest's JSON Schema.
#pragma once

#include <string>

#include "cli/flags.h"
#include "common/json.h"

namespace mrun::cli {

std::string man_overview();                          // mrun(1)
std::string man_command(const CommandSpec& command); // mrun-COMMAND(1)
// mrun.yaml(5). `schema`: packager/mrun.schema.json.
std::string man_manifest(const Json& schema);

} // namespace mrun::cli
