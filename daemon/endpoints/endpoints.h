// Every route of the daemon: the endpoint groups, one file each, joined by a generated table.
#pragma once

#include <span>
#include <vector>

#include "daemon/http/router.h"

namespace mrun {

// One function per group: `mrun_add_endpoint(files)` is endpoints/files.cpp with routes_files().
#define MRUN_ENDPOINT(name) std::span<const Route> routes_##name();
#include "endpoints.inc"
#undef MRUN_ENDPOINT

std::vector<Route> all_routes();

} // namespace mrun
