// mrun cost action feature.yaml, mrun cost diff A B.
#include <fmt/format.h>

#include "cli/cost/action_result.h"
#include "cli/cost/books.h"
#include "cli/cost/dispatch.h"
#include "cli/cost/estimate_result.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/fd.h"
#include "common/limits.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::int64_t k_old_days = 90;
constexpr std::size_t k_max_result_bytes = 4 * k_mib;

// What diff compares: a feature file, or what `mrun cost action --json` said of one.
struct Side {
  std::string name;
  Expected per_action;
  std::map<std::string, Expected> calls;
  std::string oldest_read_on;
};

tl::unexpected<Error> no_result(const std::string& path, std::string_view why) {
  return fail(ErrorCode::cost_feature,
              fmt::format("{} is not a result of `mrun cost action --json`: {}", printable(path), why));
}

Result<Expected> expected_of(const Json& value, const std::string& path) {
  const auto number = [&](const char* key) -> Result<Exact> {
    if (!value.is_object() || !value.value(key, Json()).is_string())
      return no_result(path, fmt::format("it has an amount without `{}`", key));
    return parse_exact(value[key].get_ref<const std::string&>(), ErrorCode::cost_feature,
                       k_max_result_digits);
  };
  MRUN_ASSIGN(const Exact typical, number("typical"));
  MRUN_ASSIGN(const Exact worst, number("worst"));
  if (worst < typical) return no_result(path, "an amount is less at worst than typically");
  return Expected{typical, worst};
}

// The calls' amounts have to make the action's: each is rounded to 10^-12.
Result<void> check_sum(const Side& side, const std::string& path) {
  const Exact error = Exact(static_cast<std::int64_t>(side.calls.size()) + 1, 1'000'000'000'000);
  for (Exact Expected::*end : {&Expected::typical, &Expected::worst}) {
    Exact sum = side.per_action.*end;
    for (const auto& [name, amount] : side.calls)
      sum -= amount.*end;
    if (boost::multiprecision::abs(sum) > error) return no_result(path, "its calls do not make its sum");
  }
  return {};
}

// A budget goes by the oldest price: a result that has prices and no date of them decides none.
Result<void> read_calls(const Json& calls, const std::string& path, Side& side) {
  if (!calls.is_array()) return no_result(path, "`calls` is not an array");
  bool has_prices = false;
  for (const Json& call : calls) {
    if (!call.is_object() || !call.value("name", Json()).is_string() ||
        !call.value("sources", Json()).is_array())
      return no_result(path, "a call has no `name` or no `sources`");
    MRUN_ASSIGN(const Expected amount, expected_of(call.value("amount", Json()), path));
    Expected& sum = side.calls.try_emplace(call["name"].get<std::string>(), Expected{0, 0}).first->second;
    sum.typical += amount.typical;
    sum.worst += amount.worst;
    has_prices = has_prices || !call["sources"].empty();
  }
  if (has_prices && side.oldest_read_on.empty()) return no_result(path, "`oldest_read_on` is not a date");
  return check_sum(side, path);
}

Result<Side> side_of_result(const std::string& path) {
  MRUN_ASSIGN(const std::string text,
              read_file(path, k_max_result_bytes, ErrorCode::io, ErrorCode::cost_feature));
  MRUN_ASSIGN(const Json json, parse_json(text, ErrorCode::cost_feature, printable(path)));
  if (!json.is_object() || json.value("schema", Json()) != "mrun.cost_action/v1")
    return no_result(path, "`schema` is not mrun.cost_action/v1");
  if (json.value("currency", Json()) != "USD") return no_result(path, "`currency` is not USD");
  Side side;
  side.name = path;
  MRUN_ASSIGN(side.per_action, expected_of(json.value("per_action", Json()), path));
  if (json.value("oldest_read_on", Json()).is_string())
    side.oldest_read_on = json["oldest_read_on"].get<std::string>();
  MRUN_TRY(read_calls(json.value("calls", Json()), path, side));
  return side;
}

Result<Side> read_side(const Context& context, const std::string& path) {
  if (path.ends_with(".json")) return side_of_result(path);
  MRUN_ASSIGN(const ActionResult result, price_feature(context, path));
  Side side{path, result.cost.per_action, {}, result.cost.oldest_read_on};
  for (const CallCost& call : result.cost.calls) {
    Expected& sum = side.calls.try_emplace(call.name, Expected{0, 0}).first->second;
    sum.typical += call.amount.typical;
    sum.worst += call.amount.worst;
  }
  return side;
}

std::string change_words(const Exact& from, const Exact& to) {
  if (from == 0) return to == 0 ? "0 %" : "new";
  return fmt::format("{:+.1f} %", static_cast<double>((to / from - 1) * 100));
}

std::vector<Cell> diff_row(const std::string& name, const Expected& a, const Expected& b) {
  return {printable(name, 60),           short_money(a.typical),
          short_money(b.typical),        change_words(a.typical, b.typical),
          short_money(a.worst),          short_money(b.worst),
          change_words(a.worst, b.worst)};
}

std::string diff_text(const Side& a, const Side& b) {
  Table table{.header = {"CALL", "TYPICAL", "→", "", "WORST", "→", ""},
              .rows = {},
              .right_aligned = {1, 2, 3, 4, 5, 6}};
  const Expected nothing{0, 0};
  for (const auto& [name, amount] : a.calls) {
    const auto other = b.calls.find(name);
    table.rows.push_back(diff_row(name, amount, other == b.calls.end() ? nothing : other->second));
  }
  for (const auto& [name, amount] : b.calls)
    if (!a.calls.contains(name)) table.rows.push_back(diff_row(name, nothing, amount));
  table.rows.push_back(diff_row("one action", a.per_action, b.per_action));
  return render_table(table);
}

Json diff_json(const Side& a, const Side& b) {
  const Expected &from = a.per_action, &to = b.per_action;
  return {{"schema", "mrun.cost_diff/v1"},
          {"a", {{"name", a.name}, {"per_action", expected_json(from, 12)}}},
          {"b", {{"name", b.name}, {"per_action", expected_json(to, 12)}}},
          {"typical_change", exact_text(to.typical - from.typical, 12)},
          {"worst_change", exact_text(to.worst - from.worst, 12)},
          {"worst_change_percent",
           from.worst == 0 ? Json() : Json(exact_text((to.worst / from.worst - 1) * 100, 4))}};
}

Result<void> pass_diff(const Side& a, const Side& b, const Arguments& arguments) {
  MRUN_ASSIGN(const std::optional<Exact> budget, amount_flag(arguments, "budget"));
  MRUN_ASSIGN(const std::optional<Exact> most, percent_flag(arguments, "max-increase"));
  if (budget || most) MRUN_TRY(pass_age(b.oldest_read_on, arguments));
  if (budget && b.per_action.worst > *budget)
    return fail(ErrorCode::cost_budget,
                fmt::format("one action costs {} USD at worst, the budget is {}",
                            short_money(b.per_action.worst), exact_text(*budget, 12)));
  if (most && b.per_action.worst > a.per_action.worst * (1 + *most / 100))
    return fail(ErrorCode::cost_budget,
                fmt::format("one action costs {} at worst, more than {} % are allowed",
                            change_words(a.per_action.worst, b.per_action.worst), exact_text(*most, 4)));
  return {};
}

} // namespace

Result<int> cost_action(Context& context, const Arguments& arguments) {
  if (arguments.positionals().size() != 2)
    return fail(ErrorCode::usage, "`mrun cost action` needs one feature file",
                "as `mrun cost action feature.yaml`");
  MRUN_ASSIGN(const ActionResult result, price_feature(context, arguments.positional(1)));
  if (context.json)
    MRUN_TRY(print_json(context.terminal, action_json(result)));
  else
    MRUN_TRY(context.terminal.out(action_text(result)));
  const std::string& oldest = result.cost.oldest_read_on;
  if (!oldest.empty() && is_older(oldest, k_old_days))
    context.warn(fmt::format("a price was read {}: `mrun prices status`", age_words(oldest)));
  MRUN_TRY(pass_budgets(result, arguments));
  return 0;
}

Result<int> cost_diff(Context& context, const Arguments& arguments) {
  if (arguments.positionals().size() != 3)
    return fail(ErrorCode::usage, "`mrun cost diff` needs two feature files",
                "as `mrun cost diff old.yaml new.yaml`");
  MRUN_ASSIGN(const Side a, read_side(context, arguments.positional(1)));
  MRUN_ASSIGN(const Side b, read_side(context, arguments.positional(2)));
  if (context.json)
    MRUN_TRY(print_json(context.terminal, diff_json(a, b)));
  else
    MRUN_TRY(context.terminal.out(diff_text(a, b)));
  MRUN_TRY(pass_diff(a, b, arguments));
  return 0;
}

} // namespace mrun::cli
