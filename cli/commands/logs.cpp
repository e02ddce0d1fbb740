// mrun logs ID: what a prediction logged.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/daemon_client.h"
#include "cli/client/event_stream.h"
#include "cli/client/interrupt.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/render/github.h"
#include "cli/render/json_text.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {{.name = "ID", .help = "a prediction's id"}};
constexpr FlagSpec k_flags[] = {
    {.name = "follow", .short_name = 'f', .help = "go on with what it logs, until it ends"}, k_github_flag};
constexpr ExampleSpec k_examples[] = {{"logs 01hq3k5v7w9x1y3z5a7b9c1d3e", "its log, and why it failed"},
                                      {"logs -f 01hq3k5v7w9x1y3z5a7b9c1d3e", "as it comes"}};
constexpr int k_exit_codes[] = {4, 5, 6};

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Why it failed, the worker's last words, and where all of them are.
void show_reason(const Context& context, const Json& prediction) {
  const Json ours =
      prediction.contains("mrun") && prediction["mrun"].is_object() ? prediction["mrun"] : Json::object();
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
}

// What an event logged, as it was written; with --json=stream the event, when it is of the log or the end.
Result<void> show_event(Context& context, const StreamEvent& event, const std::string& id) {
  const bool is_log = event.type == EventType::log;
  if (!is_log && event.type != EventType::done) return {};
  if (context.stream) return context.terminal.out(event_line(event, id));
  if (!is_log) return {};
  const std::string text = text_of(event.data, "text");
  return context.terminal.out_foreign(text.empty() || text.ends_with('\n') ? text : text + "\n");
}

// Until its end; Ctrl-C ends the following, not the prediction.
Result<int> follow(Context& context, DaemonClient& client, const std::string& id) {
  MRUN_TRY(client.open({.target = fmt::format("/mrun/v1/predictions/{}/events", percent_encode(id)),
                        .headers = {{"Accept", "text/event-stream"}}}));
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  EventStream stream(client);
  while (!context.terminal.out_closed()) {
    StreamEvent event;
    MRUN_ASSIGN(const EventStream::Got got, stream.next(event, std::nullopt, interrupt.fd()));
    if (got == EventStream::Got::interrupted) return interrupt.exit_code();
    MRUN_TRY(show_event(context, event, id));
    if (event.type != EventType::done) continue;
    if (!context.json) show_reason(context, event.data);
    return 0;
  }
  return 0;
}

Result<int> run(Context& context, const Arguments& arguments) {
  const bool follows = arguments.has("follow");
  if (follows != context.stream && context.json)
    return fail(ErrorCode::usage, follows ? "`--follow` prints no single object: add `--json=stream`"
                                          : "`--json=stream` needs `--follow`");
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  MRUN_ASSIGN(const auto group, github_group(context, "mrun logs " + arguments.positional(0)));
  if (follows) return follow(context, client, arguments.positional(0));
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
  MRUN_TRY(context.terminal.out_foreign(logs.empty() || logs.ends_with('\n') ? logs : logs + "\n"));
  if (logs.empty())
    context.say(fmt::format("the prediction ({}) logged nothing", printable(text_of(prediction, "status"))));
  show_reason(context, prediction);
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
                   "standard error. With -f it goes on until the prediction ends; Ctrl-C ends the "
                   "following, not the prediction.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .streams = true,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
