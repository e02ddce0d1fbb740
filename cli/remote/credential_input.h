// A user and password that are given with a command: by `-u` and standard input, never by the command line,
// where other users see it.
#pragma once

#include <optional>
#include <vector>

#include "cli/arguments.h"
#include "cli/context.h"
#include "packager/reference.h"
#include "packager/registry/credentials.h"

namespace mrun::cli {

inline constexpr std::size_t k_max_secret_bytes = 64 * 1024;

// Standard input without its one line end. Error `code`: it is longer, or can't be read.
Result<std::string> read_secret(std::size_t most_bytes, ErrorCode code);
// Neither is empty, or the error usage; fit for a header, or the error credentials.
Result<void> check_given(const Credential& credential);
// The user of `-u`, the secret of standard input. Error usage: no user is named.
Result<Credential> read_credential(const Arguments& arguments);
// What `--token-stdin` gives for this command alone, which asks the registries of these references; nullopt
// without. Errors usage: `-u` without it; they are of several registries or of none.
Result<std::optional<Credential>> given_credential(const Arguments& arguments,
                                                   const std::vector<Reference>& references);

} // namespace mrun::cli
