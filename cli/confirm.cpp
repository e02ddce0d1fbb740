#include "cli/confirm.h"

#include <fmt/format.h>

#include "cli/arguments.h"

namespace mrun::cli {

Result<bool> confirm_plan(const Context& context, const Arguments& arguments, const std::string& plan,
                          const std::string& question) {
  const bool dry_run = arguments.has("dry-run");
  if (!context.json && (!context.quiet || dry_run)) context.terminal.err(plan);
  if (dry_run) return false;
  if (arguments.has("yes")) return true;
  if (!context.terminal.in_is_terminal() || !context.terminal.err_is_terminal())
    return fail(ErrorCode::needs_confirmation, fmt::format("nobody is there to ask: {}", question));
  if (context.terminal.confirm(fmt::format("{} [y/N] ", question))) return true;
  context.say("nothing was done");
  return false;
}

} // namespace mrun::cli
