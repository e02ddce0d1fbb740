// The result as one HTML file that needs no network: curves, tables, the environment, every warning.
#pragma once

#include <string>

#include "cli/bench/measure/result.h"

namespace mrun::bench {

// All text of users and models is escaped; there is no script, and the page's own policy forbids any request.
std::string html_report(const BenchResult& result);

} // namespace mrun::bench
