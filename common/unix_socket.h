// The address of a Unix socket.
#pragma once

#include <filesystem>

#include <sys/un.h>

#include "common/error.h"

namespace mrun {

// Error: home_refused (the path does not fit).
Result<sockaddr_un> socket_address(const std::filesystem::path& path);

} // namespace mrun
