// A user and password that are given with a command: by `-u` and standard input, never by the command line,
// where other users see it.
#pragma once

#include <optional>

#include "cli/arguments.h"
#include "cli/context.h"
#include "packager/registry/credentials.h"

namespace mrun::cli {

inline constexpr std::size_t k_max_secret_bytes = 64 * 1024;

// Neither is empty, or the error usage; fit for a header, or the error credentials.
Result<void> check_given(const Credential& credential);
// The user of `-u`, the secret of standard input. Error usage: no user is named.
Result<Credential> read_credential(const Arguments& arguments);
// What `--token-stdin` gives for this command alone; nullopt without. Error usage: `-u` without it.
Result<std::optional<Credential>> given_credential(const Arguments& arguments);

} // namespace mrun::cli
