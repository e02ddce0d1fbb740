// mrun logs ID: what a prediction logged.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/render/json_text.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {{.name = "ID", .help = "a prediction's id"}};
constexpr ExampleSpec k_examples[] = {{"logs 01hq3k5v7w9x1y3z5a7b9c1d3e", "its log, and why it failed"}};
constexpr int k_exit_codes[] = {0, 2, 5, 6, 130};

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  MRUN_ASSIGN(const Json prediction,
              client.get(fmt::format("/mrun/v1/predictions/{}", percent_encode(arguments.positional(0)))));
  const Json ours =
      prediction.contains("mrun") && prediction["mrun"].is_object() ? prediction["mrun"] : Json::object();
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.logs/v1"},
                                           {"id", text_of(prediction, "id")},
                                           {"status", text_of(prediction, "status")},
                                           {"logs", text_of(prediction, "logs")},
                                           {"error", prediction.value("error", Json())},
                                           {"last_log_lines", ours.value("last_log_lines", Json::array())},
                                           {"log_path", ours.value("log_path", Json())}}));
    return 0;
  }
  const std::string logs = text_of(prediction, "logs");
  MRUN_TRY(context.terminal.out(logs.empty() || logs.ends_with('\n') ? logs : logs + "\n"));
  if (logs.empty())
    context.say(fmt::format("the prediction ({}) logged nothing", text_of(prediction, "status")));
  if (const std::string message = text_of(ours, "message"); !message.empty())
    context.say(fmt::format("error[{}]: {}", printable(text_of(ours, "code"), 20), printable(message, 2000)));
  if (ours.contains("last_log_lines") && ours["last_log_lines"].is_array() &&
      !ours["last_log_lines"].empty()) {
    context.say("the worker's last words:");
    for (const Json& line : ours["last_log_lines"])
      if (line.is_string()) context.say("  " + printable(line.get<std::string>(), 2000));
  }
  if (const std::string path = text_of(ours, "log_path"); !path.empty())
    context.say(fmt::format("the whole log: {}", path));
  return 0;
}

} // namespace

extern const CommandSpec k_command_logs;
constinit const CommandSpec k_command_logs{
    .name = "logs",
    .group = CommandGroup::run,
    .summary = "show what a prediction logged",
    .description = "The log of one prediction goes to standard output; why it failed, and where the worker's "
                   "whole log is, to\n"
                   "standard error.",
    .positionals = k_positionals,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
