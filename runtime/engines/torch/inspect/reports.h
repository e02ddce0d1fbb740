// One function a kind of file; only for file_report.cpp.
#pragma once

#include "runtime/engines/torch/inspect/file_report.h"

namespace mrun::torch_engine {

// Each fills `report` in. Errors: what keeps the engine from loading the file.
Result<void> report_exported(const Archive& archive, const CheckOptions& options, Json& report);
Result<void> report_script(const Archive& archive, const CheckOptions& options, Json& report);
Result<void> report_native(const Archive& archive, Json& report);

Json problem_json(const Problem& problem);

} // namespace mrun::torch_engine
