// Asking before something is deleted.
#pragma once

#include <string>

#include "cli/context.h"
#include "cli/flags.h"
#include "common/error.h"

namespace mrun::cli {

class Arguments;

// The two flags of a command that deletes.
inline constexpr FlagSpec k_yes_flag{.name = "yes", .short_name = 'y', .help = "do not ask"};
inline constexpr FlagSpec k_dry_run_flag{
    .name = "dry-run", .short_name = 'n', .help = "only say what would be done"};

// True: go ahead. `plan` (lines) has been shown on standard error unless --json. On a terminal the user is
// asked; elsewhere -y is needed (error needs_confirmation). False after --dry-run or a no.
Result<bool> confirm_plan(const Context& context, const Arguments& arguments, const std::string& plan,
                          const std::string& question);

} // namespace mrun::cli
