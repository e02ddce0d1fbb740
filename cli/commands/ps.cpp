// mrun ps: the models that are loaded.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr ExampleSpec k_examples[] = {{"ps", "workers, memory, what runs and waits"},
                                      {"ps --json", "for programs"}};
constexpr int k_exit_codes[] = {0, 2, 6, 130};

std::string text_of(const Json& row, const char* key) {
  const auto found = row.find(key);
  if (found == row.end() || found->is_null()) return "";
  return printable(found->is_string() ? found->get<std::string>() : canonical_json(*found), 60);
}

std::uint64_t number_of(const Json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

// "0.0012 USD": setup, active and idle so far. With a part that is not known, the parts that are.
std::string cost_words(const Json& cost) {
  if (!cost.is_object()) return "";
  const std::string currency = text_of(cost, "currency");
  if (const std::string total = text_of(cost, "total"); !total.empty())
    return fmt::format("{} {}", total, currency);
  std::string words;
  for (const char* part : {"setup", "active"})
    if (const std::string amount = text_of(cost, part); !amount.empty())
      words += fmt::format("{}{} {}", words.empty() ? "" : " + ", part, amount);
  return words.empty() ? "unknown" : fmt::format("{} {} + idle unknown", words, currency);
}

std::string worker_table(const Json& ps) {
  Table table{.header = {"MODEL", "VERSION", "STATE", "PID", "DEVICE", "MEMORY", "RUNNING", "QUEUED", "DONE",
                         "IDLE", "COST"},
              .rows = {},
              .right_aligned = {5, 6, 7, 8, 9, 10}};
  for (const Json& worker : ps.value("models", Json::array())) {
    if (!worker.is_object()) continue;
    const std::uint64_t idle_ns = number_of(worker, "idle_ns");
    table.rows.push_back({text_of(worker, "model"), text_of(worker, "version").substr(0, 12),
                          text_of(worker, "state"), text_of(worker, "pid"), text_of(worker, "device"),
                          format_bytes(number_of(worker, "memory_bytes")), text_of(worker, "running"),
                          text_of(worker, "queued"), text_of(worker, "predictions"),
                          idle_ns > 0 ? format_duration(static_cast<std::int64_t>(idle_ns)) : "",
                          cost_words(worker.value("cost", Json()))});
  }
  std::string text = table.rows.empty() ? "" : render_table(table);
  for (const Json& worker : ps.value("models", Json::array()))
    if (worker.is_object() && !text_of(worker, "last_error").empty())
      text += fmt::format("{}: {}\n", text_of(worker, "model"), text_of(worker, "last_error"));
  return text;
}

Result<int> run(Context& context, const Arguments&) {
  auto client = DaemonClient::connect(context, Start::never);
  if (!client && client.error().code == ErrorCode::daemon_unreachable) {
    if (context.json)
      MRUN_TRY(print_json(context.terminal,
                          {{"schema", "mrun.ps/v1"}, {"daemon", false}, {"models", Json::array()}}));
    else
      context.say("no daemon is running, so nothing is loaded");
    return 0;
  }
  if (!client) return tl::unexpected<Error>(std::move(client).error());
  MRUN_ASSIGN(Json ps, client->get("/mrun/v1/ps"));
  if (context.json) {
    ps["daemon"] = true;
    MRUN_TRY(print_json(context.terminal, ps));
    return 0;
  }
  const std::string text = worker_table(ps);
  MRUN_TRY(context.terminal.out(text));
  if (text.empty()) context.say("nothing is loaded");
  return 0;
}

} // namespace

extern const CommandSpec k_command_ps;
constinit const CommandSpec k_command_ps{
    .name = "ps",
    .group = CommandGroup::run,
    .summary = "list the models that are loaded",
    .description =
        "One line per worker process. COST is by your own rate: its load, what ran in it and the time "
        "in which it waited, so\n"
        "far (--json has the parts, and why one is unknown). Never starts the daemon.",
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
