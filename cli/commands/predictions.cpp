// mrun predictions [ID]: what has run and what runs, and one of them in whole.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "cli/ledger/query.h"
#include "cli/render/json_text.h"
#include "cli/render/prediction_text.h"
#include "common/clock.h"
#include "common/text.h"
#include "daemon/api/prediction.h"

namespace mrun::cli {
namespace {

constexpr long long k_default_limit = 50;
constexpr long long k_max_limit = 100'000;
constexpr std::size_t k_max_page = 1000;

constexpr std::string_view k_statuses[] = {"starting", "processing", "succeeded",
                                           "failed",   "canceled",   "aborted"};
constexpr PositionalSpec k_positionals[] = {
    {.name = "ID", .required = false, .help = "one prediction: its input, output, phases and cost"}};
constexpr FlagSpec k_flags[] = {
    {.name = "model", .value_name = "NAME", .type = FlagType::text, .help = "of that owner/name"},
    {.name = "version",
     .value_name = "HEX",
     .type = FlagType::text,
     .help = "of that version: 8 or more digits of its digest"},
    {.name = "status",
     .value_name = "STATUS",
     .type = FlagType::text,
     .choices = k_statuses,
     .help = "only those in that state"},
    {.name = "tag",
     .value_name = "KEY=VALUE",
     .type = FlagType::text,
     .repeatable = true,
     .help = "only those with that tag"},
    {.name = "since",
     .value_name = "TIME",
     .type = FlagType::text,
     .help = "created from then on: 90m, 24h, 7d, 2w ago, or 2026-11-24, 2026-11-24T20:00:00Z"},
    {.name = "until", .value_name = "TIME", .type = FlagType::text, .help = "created before then"},
    {.name = "limit",
     .value_name = "N",
     .type = FlagType::integer,
     .default_text = "50",
     .help = "at most so many, the newest"},
    {.name = "cursor",
     .value_name = "CURSOR",
     .type = FlagType::text,
     .help = "go on behind a list, as its last line or its `next` says"},
    {.name = "plain",
     .help = "tab-separated, no header: id, model, version, status, created, completed, device, "
             "cold, predict_ns, total_ns, amount, currency, error, tags"},
};
constexpr ExampleSpec k_examples[] = {
    {"predictions", "the newest 50"},
    {"predictions --status processing", "what runs now"},
    {"predictions --model demo/minilm --status failed --since 24h", "what went wrong today"},
    {"predictions 01hq3k5v7w9x1y3z5a7b9c1d3e", "one of them in whole"},
    {"predictions --tag user=alice --limit 1000 --plain", "tab-separated, for a script"},
};
constexpr int k_exit_codes[] = {4, 5, 6};

Result<int> show_one(Context& context, const std::string& id) {
  if (!is_prediction_id(id))
    return fail(ErrorCode::prediction_not_found,
                fmt::format("`{}` is no id of a prediction", printable(id, 60)),
                "`mrun predictions` lists them");
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  MRUN_ASSIGN(const Json prediction, client.get(fmt::format("/mrun/v1/predictions/{}", id)));
  if (context.json)
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.prediction/v1"}, {"prediction", prediction}}));
  else
    MRUN_TRY(context.terminal.out(prediction_text(prediction, context.terminal.out_is_terminal())));
  return 0;
}

struct Listed {
  Json predictions = Json::array();
  Json next = nullptr;
};

Result<Listed> list(const Context& context, const Arguments& arguments, std::size_t limit) {
  MRUN_ASSIGN(const std::string filters, ledger_query(arguments, system_clock().wall_ns()));
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  Listed listed;
  std::string cursor = arguments.value("cursor").value_or("");
  while (listed.predictions.size() < limit) {
    std::string query = fmt::format("limit={}", std::min(limit - listed.predictions.size(), k_max_page));
    if (!filters.empty()) query += "&" + filters;
    if (!cursor.empty()) query += "&cursor=" + percent_encode(cursor);
    MRUN_ASSIGN(Json page, client.get("/mrun/v1/predictions?" + query));
    for (Json& row : page["predictions"])
      listed.predictions.push_back(std::move(row));
    listed.next = page.value("next", Json());
    if (!listed.next.is_string()) break;
    cursor = listed.next.get<std::string>();
  }
  return listed;
}

Result<int> run(Context& context, const Arguments& arguments) {
  if (const std::string id = arguments.positional(0); !id.empty()) {
    for (const FlagSpec& flag : k_flags)
      if (arguments.has(flag.name))
        return fail(ErrorCode::usage, fmt::format("`--{}` is of the list, not of one prediction", flag.name));
    return show_one(context, id);
  }
  const long long limit = arguments.integer("limit").value_or(k_default_limit);
  if (limit < 1 || limit > k_max_limit)
    return fail(ErrorCode::flag_value, fmt::format("`--limit` is {}, it takes 1 to {}", limit, k_max_limit));
  MRUN_ASSIGN(Listed listed, list(context, arguments, static_cast<std::size_t>(limit)));
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.predictions/v1"},
                                           {"predictions", std::move(listed.predictions)},
                                           {"next", std::move(listed.next)}}));
    return 0;
  }
  if (listed.predictions.empty()) {
    context.say("there is no such prediction");
    return 0;
  }
  if (arguments.has("plain"))
    MRUN_TRY(context.terminal.out(predictions_plain(listed.predictions)));
  else
    MRUN_TRY(print_table(context.terminal, predictions_table(listed.predictions)));
  if (listed.next.is_string()) context.say(fmt::format("more: --cursor {}", listed.next.get<std::string>()));
  return 0;
}

} // namespace

extern const CommandSpec k_command_predictions;
constinit const CommandSpec k_command_predictions{
    .name = "predictions",
    .group = CommandGroup::run,
    .summary = "list predictions, or show one",
    .description =
        "What runs and what has ended, newest first, by whichever filters are given; all must hold. TIME is "
        "from creation\n"
        "to end, COST by your own rate. Of one: everything that is known of it; its log is `mrun logs ID`, "
        "its "
        "output files\n"
        "`mrun wait ID`.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
