// Where programs reach the daemon over TCP.
#pragma once

#include <string>
#include <vector>

#include "common/json.h"

namespace mrun::cli {

// http://127.0.0.1:8000 for each address of `status` (schema mrun.status/v1); empty when it listens at none.
// For an address that stands for all of the machine's, the loopback's.
std::vector<std::string> urls_of(const Json& status);

} // namespace mrun::cli
