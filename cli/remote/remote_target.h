// A reference on the command line that names a registry, and how to get in there.
#pragma once

#include <memory>
#include <optional>

#include "cli/context.h"
#include "packager/reference.h"
#include "packager/registry/registry.h"
#include "packager/registry/token_servers.h"

namespace mrun::cli {

// With a host, or the error registry_missing.
Result<Reference> parse_remote(const Context& context, const std::string& text);
// HOST[:PORT] as login and logout take it, in its usual spelling; `https://` before it and `/` behind it are
// dropped. Error reference_invalid: it is no host, or more than one.
Result<std::string> registry_host(const std::string& text);

// Asks nothing of the network yet. `interrupt_fd`: as InterruptGuard gives it; `push`: with tokens for
// pushing; `credential`: in place of those that are kept.
Result<std::unique_ptr<Registry>> open_registry(const Context& context, const Reference& remote,
                                                int interrupt_fd, bool push = false,
                                                std::optional<Credential> credential = std::nullopt);

// Who else gets a registry's credentials: by config.yaml, and by earlier logins.
Result<std::vector<std::string>> token_servers_of(const Context& context, const std::string& host);
// What logins have kept of them.
Result<TokenServerFile> token_server_file(const Context& context);

} // namespace mrun::cli
