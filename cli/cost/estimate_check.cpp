#include "cli/cost/estimate_check.h"

#include <fmt/format.h>

#include "cli/client/daemon_client.h"
#include "cli/cost/dispatch.h"
#include "cli/cost/estimate_result.h"
#include "cli/cost/kept_estimates.h"
#include "cli/render/json_text.h"
#include "common/text.h"
#include "cost/money_sum.h"

namespace mrun::cli {
namespace {

constexpr int k_max_pages = 100;

struct Actual {
  std::int64_t predictions = 0, failed = 0, predict_ns = 0, unknown_amounts = 0;
  Exact amount = 0;
  std::string currency;
};

Result<void> add_line(const Json& row, Actual& actual) {
  if (row.value("status", "") != "succeeded") {
    ++actual.failed;
    return {};
  }
  ++actual.predictions;
  actual.predict_ns += row.value("duration_ns", std::int64_t{0});
  const Json cost = row.value("cost", Json());
  if (!cost.is_object() || !cost.value("amount", Json()).is_string()) {
    ++actual.unknown_amounts;
    return {};
  }
  MRUN_ASSIGN(const Money amount,
              Money::parse(cost["amount"].get_ref<const std::string&>(), ErrorCode::internal));
  actual.amount += exact_of(amount);
  actual.currency = cost.value("currency", "");
  return {};
}

Result<Actual> actual_of(const Context& context, const std::string& id) {
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  Actual actual;
  std::string cursor;
  for (int page_number = 0; page_number < k_max_pages; ++page_number) {
    MRUN_ASSIGN(const Json page,
                client.get(fmt::format("/mrun/v1/ledger?kind=prediction&limit=1000&tag={}{}",
                                       percent_encode("estimate=" + id),
                                       cursor.empty() ? "" : "&cursor=" + percent_encode(cursor))));
    for (const Json& row : page.value("rows", Json::array()))
      MRUN_TRY(add_line(row, actual));
    if (!page.value("next", Json()).is_string()) break;
    cursor = page["next"].get<std::string>();
  }
  return actual;
}

// (estimated − actual) ÷ actual, in percent.
Json off_percent(const Exact& estimated, const Exact& actual) {
  if (actual == 0) return nullptr;
  return exact_text((estimated - actual) / actual * 100, 2);
}

std::string off_words(const Json& off) {
  if (!off.is_string()) return "unknown";
  const std::string text = off.get<std::string>();
  return text.starts_with('-') ? fmt::format("{} % too low", text.substr(1))
                               : fmt::format("{} % too high", text);
}

} // namespace

Result<Json> check_estimate(const Context& context, const Json& estimate) {
  const std::string id = estimate.value("id", "");
  MRUN_ASSIGN(const Actual actual, actual_of(context, id));
  if (actual.predictions == 0)
    return fail(ErrorCode::cost_unknown,
                fmt::format("no prediction of estimate {} has succeeded yet", printable(id, 40)),
                fmt::format("mrun predict … --tag estimate={}", printable(id, 40)));
  // An estimate of many, run in part: its share.
  const std::int64_t cases = estimate.value("case_count", std::int64_t{1});
  const Exact share = Exact(actual.predictions, std::max<std::int64_t>(1, cases));
  const Json seconds = estimate.value("seconds", Json());
  Json check = {{"schema", "mrun.cost_check/v1"},
                {"id", id},
                {"prediction_count", actual.predictions},
                {"estimated_count", cases},
                {"failed_count", actual.failed},
                {"actual_ns", actual.predict_ns},
                {"estimated_ns", nullptr},
                {"time_off_percent", nullptr},
                {"over_worst", nullptr},
                {"actual_amount", actual.unknown_amounts == 0 ? Json(money_text(actual.amount)) : Json()},
                {"estimated_amount", nullptr},
                {"amount_off_percent", nullptr},
                {"currency", actual.currency.empty() ? Json() : Json(actual.currency)}};
  if (seconds.is_object() && seconds.value("typical_ns", Json()).is_number_integer()) {
    const Exact typical = Exact(seconds.value("typical_ns", std::int64_t{0})) * share;
    const Exact worst = Exact(seconds.value("worst_ns", std::int64_t{0})) * share;
    if (const auto estimated_ns = nearest_integer(typical)) check["estimated_ns"] = *estimated_ns;
    check["time_off_percent"] = off_percent(typical, Exact(actual.predict_ns));
    check["over_worst"] = Exact(actual.predict_ns) > worst;
  }
  const Json own = estimate.value("own", Json());
  if (own.is_object() && own.value("typical", Json()).is_string() && actual.unknown_amounts == 0) {
    MRUN_ASSIGN(Exact amount, parse_exact(own["typical"].get_ref<const std::string&>(),
                                          ErrorCode::cost_unknown, k_max_result_digits));
    amount *= share;
    check["estimated_amount"] = money_text(amount);
    check["amount_off_percent"] = off_percent(amount, actual.amount);
  }
  return check;
}

std::string check_words(const Json& check) {
  const auto count = check.value("prediction_count", std::int64_t{0});
  const std::string estimated = check["estimated_ns"].is_number_integer()
                                    ? format_duration(check["estimated_ns"].get<std::int64_t>())
                                    : "unknown";
  std::string text = fmt::format("ran {} of {}: {} at work, estimated {}: {}\n", count,
                                 check.value("estimated_count", std::int64_t{0}),
                                 format_duration(check.value("actual_ns", std::int64_t{0})), estimated,
                                 off_words(check["time_off_percent"]));
  if (check["amount_off_percent"].is_string())
    text += fmt::format("cost {} {}, estimated {}: {}\n", check.value("actual_amount", ""),
                        check.value("currency", ""), check.value("estimated_amount", ""),
                        off_words(check["amount_off_percent"]));
  if (check["over_worst"] == true) text += "it took longer than the worst case of the estimate\n";
  if (const auto failed = check.value("failed_count", std::int64_t{0}); failed > 0)
    text += fmt::format("{} did not succeed and are not in the sum\n", failed);
  return text;
}

Result<int> cost_check(Context& context, const Arguments& arguments) {
  if (arguments.positionals().size() != 2)
    return fail(ErrorCode::usage, "`mrun cost check` needs the id of an estimate");
  MRUN_ASSIGN(const Json estimate, kept_estimate(context, arguments.positional(1)));
  MRUN_ASSIGN(const Json check, check_estimate(context, estimate));
  if (context.json)
    MRUN_TRY(print_json(context.terminal, check));
  else
    MRUN_TRY(context.terminal.out(check_words(check)));
  return 0;
}

} // namespace mrun::cli
