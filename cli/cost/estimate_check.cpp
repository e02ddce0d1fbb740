#include "cli/cost/estimate_check.h"

#include <map>
#include <optional>

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

constexpr int k_max_pages = 100, k_page_lines = 1000;

struct Actual {
  std::int64_t predictions = 0, failed = 0, predict_ns = 0;
  std::map<std::string, Exact> amounts; // by currency: two of them have no sum
  std::string unknown;                  // why an amount is not known; "" when all are

  // Currency and sum, where that is one and all is known.
  std::optional<std::pair<std::string, Exact>> sum() const {
    if (!unknown.empty() || amounts.size() != 1) return std::nullopt;
    return *amounts.begin();
  }
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
    const Json reason = cost.is_object() ? cost.value("reason", Json()) : Json();
    actual.unknown = reason.is_string() ? printable(reason.get<std::string>(), 300) : "unknown";
    return {};
  }
  MRUN_ASSIGN(const Money amount,
              Money::parse(cost["amount"].get_ref<const std::string&>(), ErrorCode::internal));
  actual.amounts.try_emplace(cost.value("currency", ""), 0).first->second += exact_of(amount);
  return {};
}

Result<Actual> actual_of(const Context& context, const std::string& id) {
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  Actual actual;
  std::string cursor;
  for (int page_number = 0; page_number < k_max_pages; ++page_number) {
    MRUN_ASSIGN(const Json page,
                client.get(fmt::format("/mrun/v1/ledger?kind=prediction&limit={}&tag={}{}", k_page_lines,
                                       percent_encode("estimate=" + id),
                                       cursor.empty() ? "" : "&cursor=" + percent_encode(cursor))));
    for (const Json& row : page.value("rows", Json::array()))
      MRUN_TRY(add_line(row, actual));
    if (!page.value("next", Json()).is_string()) return actual;
    cursor = page["next"].get<std::string>();
  }
  return fail(ErrorCode::cost_unknown, fmt::format("more than {} predictions carry the tag of {}",
                                                   k_max_pages * k_page_lines, printable(id, 40)));
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
  const auto sum = actual.sum();
  Json amounts = Json::object();
  for (const auto& [currency, amount] : actual.amounts)
    amounts[currency] = money_text(amount);
  Json check = {{"schema", "mrun.cost_check/v1"},
                {"id", id},
                {"prediction_count", actual.predictions},
                {"estimated_count", cases},
                {"failed_count", actual.failed},
                {"actual_ns", actual.predict_ns},
                {"estimated_ns", nullptr},
                {"time_off_percent", nullptr},
                {"over_worst", nullptr},
                {"actual_amount", sum ? Json(money_text(sum->second)) : Json()},
                {"actual_amounts", std::move(amounts)},
                {"estimated_amount", nullptr},
                {"amount_off_percent", nullptr},
                {"currency", sum ? Json(sum->first) : Json()},
                {"no_amount", nullptr}};
  if (!actual.unknown.empty())
    check["no_amount"] = actual.unknown;
  else if (!sum)
    check["no_amount"] = "they cost several currencies: see actual_amounts";
  if (seconds.is_object() && seconds.value("typical_ns", Json()).is_number_integer()) {
    const Exact typical = Exact(seconds.value("typical_ns", std::int64_t{0})) * share;
    const Exact worst = Exact(seconds.value("worst_ns", std::int64_t{0})) * share;
    if (const auto estimated_ns = nearest_integer(typical)) check["estimated_ns"] = *estimated_ns;
    check["time_off_percent"] = off_percent(typical, Exact(actual.predict_ns));
    check["over_worst"] = Exact(actual.predict_ns) > worst;
  }
  const Json own = estimate.value("own", Json());
  if (own.is_object() && own.value("typical", Json()).is_string() && sum) {
    MRUN_ASSIGN(Exact amount, parse_exact(own["typical"].get_ref<const std::string&>(),
                                          ErrorCode::cost_unknown, k_max_result_digits));
    amount *= share;
    check["estimated_amount"] = money_text(amount);
    if (own.value("currency", Json()) == sum->first)
      check["amount_off_percent"] = off_percent(amount, sum->second);
    else
      check["no_amount"] = "the estimate is in another currency";
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
  else if (check["no_amount"].is_string())
    text += fmt::format("cost not compared: {}\n", check["no_amount"].get_ref<const std::string&>());
  if (count != check.value("estimated_count", std::int64_t{0}))
    text += "compared with that share of the estimate: right where the cases are of one size\n";
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
