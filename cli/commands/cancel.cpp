// mrun cancel ID.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/render/json_text.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "ID", .help = "a prediction's id (`mrun predict --print-id`)"}};
constexpr ExampleSpec k_examples[] = {{"cancel 01hq3k5v7w9x1y3z5a7b9c1d3e", "ask a prediction to stop"}};
constexpr int k_exit_codes[] = {4, 5, 6};

Result<int> run(Context& context, const Arguments& arguments) {
  const std::string id = arguments.positional(0);
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  MRUN_ASSIGN(const Json prediction,
              client.post(fmt::format("/v1/predictions/{}/cancel", percent_encode(id)), Json::object()));
  MRUN_ASSIGN(const std::string status,
              need_string(prediction, "status", ErrorCode::daemon_unreachable, "the daemon's reply"));
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.cancel/v1"}, {"id", id}, {"status", status}}));
    return 0;
  }
  const bool ended = status == "succeeded" || status == "failed";
  context.say(
      ended ? fmt::format("{} had ended before: {}", id, status)
            : fmt::format("{}: {}", id,
                          status == "canceled" || status == "aborted" ? printable(status) : "asked to stop"));
  return 0;
}

} // namespace

extern const CommandSpec k_command_cancel;
constinit const CommandSpec k_command_cancel{
    .name = "cancel",
    .group = CommandGroup::run,
    .summary = "cancel a prediction",
    .description = "Asks the model to stop; one that does not listen is ended with its worker. An ended "
                   "prediction is left as\n"
                   "it is.",
    .positionals = k_positionals,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
