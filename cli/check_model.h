// Before a model is packed: whether the torch engine can run its file, found without running any of it.
#pragma once

#include <filesystem>

#include "cli/context.h"
#include "packager/manifest.h"

namespace mrun::cli {

// Errors: model_unsupported (names node and operator, all of them in the notes), manifest_value (the
// file is native code and mrun.yaml does not say so), input_file.
Result<void> check_model(const Context& context, const Manifest& manifest,
                         const std::filesystem::path& folder);

} // namespace mrun::cli
