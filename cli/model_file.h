// What a model file is: asked of mrun-inspect, a process of its own, so that no parser of PyTorch's formats
// and no stranger's bytes come into `mrun`.
#pragma once

#include <string>

#include "cli/context.h"
#include "common/json.h"

namespace mrun::cli {

// Whether the argument of `mrun inspect` is a file here: it begins with ./, ../, / or ~, or ends like a model
// file and is there.
bool names_model_file(const std::string& argument);

// Schema mrun.inspect-file/v1 (docs/formats/inspect-file.md). `operator_libraries`: the bundle brings
// operators of its own, so unknown ones are no problem. Errors: file_missing, input_file, load_failed (not
// such a file).
Result<Json> inspect_model_file(const Context& context, const std::string& path, bool operator_libraries);

} // namespace mrun::cli
