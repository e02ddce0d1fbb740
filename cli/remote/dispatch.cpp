#include "cli/remote/dispatch.h"

#include <string_view>
#include <utility>

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
  for (const auto& [name, run] : k_commands)
    if (name == command.name) return run(context, arguments);
  return fail(ErrorCode::internal, "mrun-remote lacks the command `" + std::string(command.name) + "`");
}

} // namespace mrun::cli
