// mrun cost estimate REF -i …
#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "cli/cost/books.h"
#include "cli/cost/dispatch.h"
#include "cli/cost/estimate_check.h"
#include "cli/cost/estimate_result.h"
#include "cli/cost/kept_estimates.h"
#include "cli/cost/number_format.h"
#include "cli/cost/own_machine.h"
#include "cli/cost/projections.h"
#include "cli/predict/target.h"
#include "cli/render/json_text.h"
#include "common/machine.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::int64_t k_old_days = 90;

struct Subject {
  std::optional<PredictTarget> target; // absent: everything is assumed
  std::vector<Case> cases;
  Measurements measured;
};

Result<PredictTarget> find_model(const Context& context, const std::string& name) {
  const std::string_view words[] = {name};
  MRUN_ASSIGN(const Arguments arguments, parse_arguments(*find_command("show"), words));
  return find_target(context, arguments);
}

Result<Measurements> measure(const Context& context, const Arguments& arguments, const Bundle& bundle) {
  if (const auto path = arguments.value("measured")) return measurements_of_file(bundle.manifest, *path);
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  const auto path = arguments.value("calibrate");
  if (!path) return past_measurements(client, bundle.digest, bundle.manifest);
  MRUN_ASSIGN(const std::vector<Case> cases, read_cases(bundle.manifest, {}, *path));
  if (cases.size() > k_max_measurements)
    return fail(ErrorCode::cost_unknown, fmt::format("{} has {} cases, at most {} are run to calibrate",
                                                     printable(*path), cases.size(), k_max_measurements));
  MRUN_ASSIGN(Ran ran, run_cases(context, bundle.digest, bundle.manifest, cases, ""));
  MRUN_ASSIGN(const Measurements past, past_measurements(client, bundle.digest, bundle.manifest));
  for (const Measurement& one : past.runs)
    if (one.setup_seconds) ran.measured.runs.push_back(one);
  return std::move(ran.measured);
}

Result<Subject> find_subject(const Context& context, const Arguments& arguments, const Assumptions& assumed) {
  Subject subject;
  if (arguments.positionals().size() > 2)
    return fail(ErrorCode::usage, "`mrun cost estimate` takes one model");
  if (arguments.positionals().size() < 2) {
    if (assumed.given.empty())
      return fail(ErrorCode::usage, "`mrun cost estimate` needs a model, or --assume",
                  "as `mrun cost estimate demo/minilm -i text=hello`");
    subject.measured.source = "what you assume";
    return subject;
  }
  MRUN_ASSIGN(PredictTarget target, find_model(context, arguments.positional(1)));
  MRUN_ASSIGN(subject.cases, read_cases(target.bundle.manifest, arguments.values("input"),
                                        arguments.value("inputs").value_or("")));
  MRUN_ASSIGN(subject.measured, measure(context, arguments, target.bundle));
  const bool has_time = std::any_of(subject.measured.runs.begin(), subject.measured.runs.end(),
                                    [](const Measurement& run) { return run.seconds.has_value(); });
  if (!has_time && assumed.given.empty())
    return fail(
        ErrorCode::cost_unknown,
        fmt::format("{} has not run here yet: how long it takes is not known",
                    printable(target.shown_name, 100)),
        "run it once (`mrun predict`), or give --calibrate FILE, --measured FILE or --assume seconds=N");
  subject.target = std::move(target);
  return subject;
}

// The device that was measured, if it is named; the tables that names are looked up in.
struct Named {
  std::vector<Device> devices;
  PriceRules rules;
  const Device* on = nullptr;
};

Result<std::unique_ptr<const Named>> read_named(const Context& context, const Arguments& arguments) {
  auto named = std::make_unique<Named>(); // `on` points into it
  MRUN_ASSIGN(named->devices, load_device_table(context));
  MRUN_ASSIGN(named->rules, load_rules(context));
  if (const auto name = arguments.value("on")) {
    MRUN_ASSIGN(named->on, find_device(named->devices, *name));
  }
  return std::unique_ptr<const Named>(std::move(named));
}

// Whether time as measured says something of that row: a CPU's of CPU rows, a named device's of its rows.
bool is_measured_there(const PriceRow& row, const Measurements& measured, const Named& named) {
  if (named.on != nullptr) return is_row_of(row, *named.on, named.devices, named.rules);
  return !is_gpu(measured.device) && device_count(row) == std::optional<std::int64_t>(0);
}

PricedOffer price_offer(const Offer& offer, const Work& work, const Measurements& measured,
                        const Named& named) {
  if (named.on != nullptr || is_cpu_like(offer.first(), usable_cores(), measured.peak_bytes))
    return {offer, offer_amount(offer, work)};
  PricedOffer other{offer, {}, false};
  other.amount.reason = "the time was measured on a machine of another size";
  return other;
}

Result<std::vector<PricedOffer>> price_offers(const PriceBook& book, const Arguments& arguments,
                                              const Work& work, const Subject& subject, const Named& named) {
  const std::string style = arguments.value("style").value_or("all");
  std::vector<std::string> words;
  if (const auto word = arguments.value("provider")) words.push_back(*word);
  std::vector<const PriceRow*> rows = matching_rows(book, words, "");
  std::erase_if(rows, [](const PriceRow* row) { return is_withdrawn(*row); });
  std::vector<PricedOffer> lines;
  for (const Offer& offer : offers_of(rows)) {
    if (style != "all" && style != pricing_style_name(offer.style)) continue;
    const bool is_time = offer.style == PricingStyle::runtime || offer.style == PricingStyle::deployment;
    if (!is_time || !subject.target)
      lines.push_back({offer, offer_amount(offer, work)});
    else if (is_measured_there(offer.first(), subject.measured, named))
      lines.push_back(price_offer(offer, work, subject.measured, named));
  }
  return lines;
}

void warn_of_age(const Context& context, const Estimate& estimate) {
  std::string oldest;
  for (const PricedOffer& line : estimate.offers)
    if (line.amount.worst && (oldest.empty() || line.offer.first().read_on < oldest))
      oldest = line.offer.first().read_on;
  if (!oldest.empty() && is_older(oldest, k_old_days))
    context.warn(fmt::format("prices were read up to {}: `mrun prices status`", age_words(oldest)));
  for (const std::string& note : estimate.workload.notes)
    context.warn(note);
}

Result<Estimate> make_estimate(const Context& context, const Arguments& arguments, const Subject& subject,
                               const Assumptions& assumed, const PriceBook& book) {
  Estimate estimate;
  estimate.id = new_estimate_id();
  if (subject.target) {
    estimate.model = subject.target->shown_name;
    estimate.version = subject.target->bundle.digest.hex();
  }
  estimate.case_count = std::max<std::size_t>(1, subject.cases.size());
  estimate.source = subject.measured.source;
  estimate.workload = make_workload(subject.cases, subject.measured, assumed);
  estimate.seconds = total_seconds(estimate.workload.work);
  MRUN_ASSIGN(const std::optional<OwnRate> own, load_own_rate(context));
  estimate.own = own_amount(own, estimate.workload.work);
  estimate.own_units = own_unit_costs(estimate.own, estimate.workload.work);
  estimate.own_deployment = own_deployment_amount(own, estimate.workload.work);
  if (own) estimate.currency = own->currency;
  MRUN_ASSIGN(const std::unique_ptr<const Named> named, read_named(context, arguments));
  MRUN_ASSIGN(estimate.offers, price_offers(book, arguments, estimate.workload.work, subject, *named));
  estimate.even = break_even(estimate.offers, estimate.workload.work);
  ProjectionBase base{.book = book,
                      .own = own,
                      .devices = named->devices,
                      .rules = named->rules,
                      .on = named->on,
                      .dtype = {},
                      .bytes = subject.measured.peak_bytes};
  if (subject.target) {
    base.bytes = std::max(base.bytes, static_cast<double>(subject.target->bundle.size_bytes));
    MRUN_ASSIGN(const Store store, open_store_to_read(context));
    MRUN_ASSIGN(base.dtype, number_format_of(store, subject.target->bundle));
  }
  MRUN_TRY(add_projections(arguments, base, estimate));
  return estimate;
}

} // namespace

Result<int> cost_estimate(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const Assumptions assumed, read_assumptions(arguments));
  MRUN_ASSIGN(const PriceBook book, load_books(context));
  MRUN_ASSIGN(const Subject subject, find_subject(context, arguments, assumed));
  MRUN_ASSIGN(const Estimate estimate, make_estimate(context, arguments, subject, assumed, book));
  Json json = estimate_json(estimate);
  MRUN_TRY(keep_estimate(context, estimate.id, json));
  if (!context.json) MRUN_TRY(context.terminal.out(estimate_text(estimate)));
  warn_of_age(context, estimate);
  if (arguments.has("run")) {
    if (!subject.target) return fail(ErrorCode::usage, "--run needs a model");
    MRUN_TRY(run_cases(context, subject.target->bundle.digest, subject.target->bundle.manifest, subject.cases,
                       estimate.id));
    MRUN_ASSIGN(const Json check, check_estimate(context, json));
    json["check"] = check;
    if (!context.json) MRUN_TRY(context.terminal.out("\n" + check_words(check)));
  } else if (!estimate.version.empty()) {
    context.say(
        fmt::format("afterwards: mrun predict … --tag estimate={0}, then mrun cost check {0}", estimate.id));
  }
  if (context.json) MRUN_TRY(print_json(context.terminal, json));
  return 0;
}

} // namespace mrun::cli
