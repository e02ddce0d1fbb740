#include "cli/remote/dispatch.h"

#include <cstdlib>
#include <string_view>
#include <utility>

#include "common/log.h"

namespace mrun::cli {

#define MRUN_REMOTE_COMMAND(name) Result<int> run_##name(Context& context, const Arguments& arguments);
#include "cli/remote_commands.inc"
#undef MRUN_REMOTE_COMMAND
Result<int> run_predict(Context& context, const Arguments& arguments); // of what has to be pulled first

Result<int> run_remote(Context& context, const CommandSpec& command, const Arguments& arguments, char**) {
  static constexpr std::pair<std::string_view, CommandRun> k_commands[] = {
#define MRUN_REMOTE_COMMAND(name) {#name, &run_##name},
#include "cli/remote_commands.inc"
#undef MRUN_REMOTE_COMMAND
      {"predict", &run_predict},
  };
  if (const char* level = std::getenv("MRUN_LOG");
      level != nullptr && *level != '\0' && !set_log_level(std::string_view(level)))
    context.warn("MRUN_LOG is none of error, warn, info, debug");
  for (const auto& [name, run] : k_commands)
    if (name == command.name) return run(context, arguments);
  return fail(ErrorCode::internal, "mrun-remote lacks the command `" + std::string(command.name) + "`");
}

} // namespace mrun::cli
