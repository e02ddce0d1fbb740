// mrun stats: predictions, latency, cold starts and cost by model, version, day or tag.
#include <fmt/format.h>

#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "cli/ledger/query.h"
#include "cli/ledger/text.h"
#include "cli/render/json_text.h"
#include "common/clock.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::array k_own_flags = {
    FlagSpec{.name = "by",
             .value_name = "WHAT",
             .type = FlagType::text,
             .default_text = "model",
             .help = "a line per model, version, day or tag:KEY; `all` for one"},
    FlagSpec{.name = "csv", .help = "as CSV"},
    FlagSpec{.name = "jsonl", .help = "one JSON object per line"},
    k_plain_flag,
};
constexpr std::array k_flags = with_ledger_filters(k_own_flags);
constexpr ExampleSpec k_examples[] = {
    {"stats", "every model: how many, how fast, what they cost"},
    {"stats --by day --since 30d", "the last 30 days"},
    {"stats --by tag:user --since 2026-11-01", "what each user cost"},
    {"stats --by version --model demo/minilm --json", "versions of one model, for programs"},
};
constexpr int k_exit_codes[] = {4, 6};

Result<Json> ask(const Context& context, const Arguments& arguments, const std::string& by) {
  MRUN_ASSIGN(std::string query, ledger_query(arguments, system_clock().wall_ns()));
  if (by != "all") query += fmt::format("{}by={}", query.empty() ? "" : "&", percent_encode(by));
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  return client.get(query.empty() ? "/mrun/v1/stats" : "/mrun/v1/stats?" + query);
}

Result<int> run(Context& context, const Arguments& arguments) {
  if (arguments.has("csv") + arguments.has("jsonl") + arguments.has("plain") + context.json > 1)
    return fail(ErrorCode::usage, "only one of --csv, --jsonl, --plain and --json can be given");
  const std::string by = arguments.value("by").value_or("model");
  MRUN_ASSIGN(const Json stats, ask(context, arguments, by));
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, stats));
    return 0;
  }
  const Json groups = stats.value("groups", Json::array());
  std::string text;
  if (arguments.has("csv")) text = stats_csv_header(by);
  Table table = stats_table(by);
  for (const Json& group : groups) {
    if (arguments.has("csv"))
      text += stats_csv_row(group);
    else if (arguments.has("jsonl"))
      text += plain_json(group) + "\n";
    else
      table.rows.push_back(stats_cells(group));
  }
  if (table.rows.empty())
    MRUN_TRY(context.terminal.out(text));
  else
    MRUN_TRY(print_table(context.terminal, table, arguments.has("plain")));
  if (groups.empty()) context.say("the ledger has no such line");
  return 0;
}

} // namespace

extern const CommandSpec k_command_stats;
constinit const CommandSpec k_command_stats{
    .name = "stats",
    .group = CommandGroup::run,
    .summary = "show predictions, latency, cold starts and cost by model, day or tag",
    .description =
        "Sums of the ledger. P50, P95 and P99 are of the time from request to end of what succeeded; `–`\n"
        "where there are too few (59 for p95, 299 for p99). COST is your own for predictions; SETUP and "
        "IDLE\n"
        "are the loads' and the waiting workers', which no tag belongs to; REFERENCE is what a public price\n"
        "row would charge for all three. `unknown (3)`: for three lines the cost is not known.",
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
