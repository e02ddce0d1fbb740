// What a PyTorch file is, without LibTorch and without running any of it: for `mrun inspect FILE`, for the
// check of `mrun pack`, and for `mrun init --from`.
#pragma once

#include "common/json.h"
#include "runtime/engines/torch/archive.h"
#include "runtime/engines/torch/inspect/program_check.h"

namespace mrun::torch_engine {

// The members of schema mrun.inspect-file/v1 (docs/formats/inspect-file.md) that a ZIP archive of PyTorch
// has. What the file says of itself is without control
// characters. A program that can't be read at all is a report with `problems`. Error load_failed: the archive
// is damaged.
Result<Json> report_archive(const Archive& archive, const CheckOptions& options);

} // namespace mrun::torch_engine
