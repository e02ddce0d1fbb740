// mrun stop REF: unloads a model.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/render/json_text.h"
#include "packager/reference.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {{.name = "REF", .help = "the model or version to unload"}};
constexpr FlagSpec k_flags[] = {
    {.name = "force", .short_name = 'f', .help = "cancel what runs and waits instead of letting it end"}};
constexpr ExampleSpec k_examples[] = {{"stop demo/minilm", "after what it is working on"},
                                      {"stop -f demo/minilm", "at once"}};
constexpr int k_exit_codes[] = {4, 5, 6, 10};

Result<int> run(Context& context, const Arguments& arguments) {
  const std::string reference = arguments.positional(0);
  MRUN_TRY(Reference::parse(reference));
  auto client = DaemonClient::connect(context, Start::never);
  std::int64_t stopped = 0;
  if (client) {
    // It answers when what runs has ended.
    MRUN_ASSIGN(const Json reply,
                client->post("/mrun/v1/models/stop",
                             {{"reference", reference}, {"force", arguments.has("force")}}, k_no_deadline));
    MRUN_ASSIGN(stopped, need_integer(reply, "stopped", ErrorCode::daemon_unreachable, "the daemon's reply"));
  } else if (client.error().code != ErrorCode::daemon_unreachable) {
    return tl::unexpected<Error>(std::move(client).error());
  }
  if (context.json)
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.stop/v1"}, {"stopped", stopped}}));
  else
    context.say(stopped == 0   ? fmt::format("{} is not loaded", reference)
                : stopped == 1 ? fmt::format("unloaded {}", reference)
                               : fmt::format("unloaded {} ({} workers)", reference, stopped));
  return 0;
}

} // namespace

extern const CommandSpec k_command_stop;
constinit const CommandSpec k_command_stop{
    .name = "stop",
    .group = CommandGroup::run,
    .summary = "unload a model",
    .description = "Ends the model's workers and frees their memory. The next prediction loads it again. The "
                   "daemon goes on;\n"
                   "`mrun daemon stop` ends that.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
