// A report of a model file (mrun.inspect-file/v1) in words.
#pragma once

#include <string>

#include "cli/terminal.h"
#include "common/json.h"

namespace mrun::cli {

// `report`: of inspect_model_file(). Ends with a newline; for standard output.
std::string file_report_text(const Terminal& terminal, const Json& report);

} // namespace mrun::cli
