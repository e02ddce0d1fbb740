// mrun ledger: what each prediction, load and idle stretch cost.
#include <algorithm>
#include <climits>

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

constexpr long long k_table_lines = 50;

constexpr std::array k_own_flags = {
    FlagSpec{.name = "limit",
             .short_name = 'n',
             .value_name = "N",
             .type = FlagType::integer,
             .default_text = "50 in the table, else all",
             .help = "at most so many lines, the newest"},
    FlagSpec{.name = "csv", .help = "every field as CSV"},
    FlagSpec{.name = "jsonl", .help = "one JSON object per line"},
    k_plain_flag,
};
constexpr std::array k_flags = with_ledger_filters(k_own_flags);
constexpr ExampleSpec k_examples[] = {
    {"ledger", "the newest lines, and what they cost together"},
    {"ledger --since 7d --tag user=alice", "what alice's predictions of the last week cost"},
    {"ledger --kind setup --model demo/minilm", "its cold starts"},
    {"ledger --since 2026-11-01 --until 2026-12-01 --csv > november.csv", "for a spreadsheet"},
};
constexpr int k_exit_codes[] = {4, 6};

std::string target_of(std::string_view path, const std::string& query, const std::string& more) {
  const std::string both = query + (query.empty() || more.empty() ? "" : "&") + more;
  return both.empty() ? std::string(path) : fmt::format("{}?{}", path, both);
}

Result<Json> ask(const Context& context, const std::string& target) {
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  return client.get(target);
}

// Calls `take` for each line, newest first, page by page: memory holds one page.
template<class Take>
Result<void> each_line(const Context& context, const std::string& query, std::size_t limit, Take take) {
  std::string cursor;
  while (limit > 0) {
    const std::size_t count = std::min(limit, k_max_ledger_page);
    std::string more = fmt::format("limit={}", count);
    if (!cursor.empty()) more += "&cursor=" + percent_encode(cursor);
    MRUN_ASSIGN(const Json page, ask(context, target_of("/mrun/v1/ledger", query, more)));
    for (const Json& line : page.value("rows", Json::array())) {
      MRUN_TRY(take(line));
      if (context.terminal.out_closed()) return {};
      --limit;
    }
    const auto next = page.find("next");
    if (next == page.end() || !next->is_string()) return {};
    cursor = next->get<std::string>();
  }
  return {};
}

Result<Json> totals(const Context& context, const std::string& query) {
  MRUN_ASSIGN(const Json stats, ask(context, target_of("/mrun/v1/stats", query, "")));
  const Json groups = stats.value("groups", Json::array());
  return groups.is_array() && !groups.empty() ? groups.front() : Json();
}

// {"rows":[…],"schema":…,"totals":…}, written as it comes.
Result<void> print_object(Context& context, const std::string& query, std::size_t limit) {
  std::string before = "{\"rows\":[";
  MRUN_TRY(each_line(context, query, limit, [&](const Json& line) {
    Result<void> written = context.terminal.out(before + plain_json(line));
    before = ",";
    return written;
  }));
  if (before != ",") MRUN_TRY(context.terminal.out(before));
  MRUN_ASSIGN(const Json sums, totals(context, query));
  return context.terminal.out(
      fmt::format("],\"schema\":\"mrun.ledger/v1\",\"totals\":{}}}\n", plain_json(sums)));
}

Result<void> print_lines(Context& context, const std::string& query, std::size_t limit) {
  Table table = ledger_table();
  MRUN_TRY(each_line(context, query, limit, [&](const Json& line) -> Result<void> {
    table.rows.push_back(ledger_cells(line));
    return {};
  }));
  if (table.rows.empty()) {
    context.say("the ledger has no such line");
    return {};
  }
  MRUN_ASSIGN(const Json sums, totals(context, query));
  MRUN_TRY(print_table(context.terminal, table));
  return context.terminal.out("\n" + totals_line(sums));
}

Result<int> run(Context& context, const Arguments& arguments) {
  if (arguments.has("csv") + arguments.has("jsonl") + arguments.has("plain") + context.json > 1)
    return fail(ErrorCode::usage, "only one of --csv, --jsonl, --plain and --json can be given");
  const bool is_table =
      !arguments.has("csv") && !arguments.has("jsonl") && !arguments.has("plain") && !context.json;
  const long long limit = arguments.integer("limit").value_or(is_table ? k_table_lines : LLONG_MAX);
  if (limit < 1) return fail(ErrorCode::flag_value, "`--limit` is not a number from 1 on");
  MRUN_ASSIGN(const std::string query, ledger_query(arguments, system_clock().wall_ns()));
  const auto count = static_cast<std::size_t>(limit);
  if (is_table) {
    MRUN_TRY(print_lines(context, query, count));
  } else if (context.json) {
    MRUN_TRY(print_object(context, query, count));
  } else if (arguments.has("plain")) {
    MRUN_TRY(each_line(context, query, count, [&](const Json& line) {
      return context.terminal.out(render_plain({.header = {}, .rows = {ledger_cells(line)}}));
    }));
  } else if (arguments.has("jsonl")) {
    MRUN_TRY(each_line(context, query, count,
                       [&](const Json& line) { return context.terminal.out(plain_json(line) + "\n"); }));
  } else {
    MRUN_TRY(context.terminal.out(ledger_csv_header()));
    MRUN_TRY(each_line(context, query, count,
                       [&](const Json& line) { return context.terminal.out(ledger_csv_row(line)); }));
  }
  return 0;
}

} // namespace

extern const CommandSpec k_command_ledger;
constinit const CommandSpec k_command_ledger{
    .name = "ledger",
    .group = CommandGroup::run,
    .summary = "list what predictions, loads and idle workers cost",
    .description = "A line per prediction that has ended, per load of a model (setup) and per stretch in "
                   "which a loaded\n"
                   "model waited (idle), newest first. COST is by your own rate (`cost` in config.yaml), "
                   "REFERENCE what\n"
                   "a public price row would charge, both as they were then. What is not known reads "
                   "`unknown`, with the\n"
                   "reason in --json and --csv. docs/formats/ledger.md has every field.",
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
