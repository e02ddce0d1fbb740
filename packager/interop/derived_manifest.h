// The mrun.yaml of a model that came without one: derived from its files, the same bytes for the same files.
#pragma once

#include <string>
#include <vector>

#include "common/error.h"
#include "packager/interop/model_facts.h"

namespace mrun {

// `name`: owner/name. `paths`: all files, sorted. The text is a valid manifest of the engine `transformer`,
// with a comment that says what the user should look at. Error model_unsupported: there are no safetensors or
// GGUF weights, or what they belong to is nothing that an engine of mrun could run.
Result<std::string> derive_manifest(const std::string& name, const ModelFacts& facts,
                                    const std::vector<SafePath>& paths);

} // namespace mrun
