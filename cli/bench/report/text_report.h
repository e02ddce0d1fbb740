// The result for a terminal.
#pragma once

#include <string>

#include "cli/bench/measure/result.h"
#include "cli/terminal.h"

namespace mrun::bench {

std::string text_report(const cli::Terminal& terminal, const BenchResult& result);

} // namespace mrun::bench
