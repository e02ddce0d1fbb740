// A reference on the command line that names a registry, and how to get in there.
#pragma once

#include "cli/context.h"
#include "packager/reference.h"
#include "packager/registry/registry.h"

namespace mrun::cli {

// With a host, or the error registry_missing.
Result<Reference> parse_remote(const std::string& text);
// Reads nothing of the network. `interrupt_fd`: as InterruptGuard gives it.
RegistryConfig registry_config(const Reference& remote, int interrupt_fd);

} // namespace mrun::cli
