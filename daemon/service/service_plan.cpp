// What predictions would do, take and cost, without any of them.
#include <array>

#include "cost/worker_charge.h"
#include "daemon/service/service_impl.h"
#include "packager/consent.h"

namespace mrun {
namespace {

std::string_view start_name(RunPlan::Start start) {
  static constexpr std::array<std::string_view, 3> k_names = {"at_once", "after_load", "in_queue"};
  return k_names[static_cast<std::size_t>(start)];
}

// What the last run of a version took, warm or cold; nullopt when none is known, or it ran elsewhere.
std::optional<Phases> phases_of(const Json& stats, const char* which, const std::string& device) {
  const Json sample = stats.is_object() ? stats.value(which, Json()) : Json();
  if (!sample.is_object() || sample.value("device", Json()) != device) return std::nullopt;
  const Json told = sample.value("phases_ns", Json());
  if (!told.is_object()) return std::nullopt;
  Phases phases;
  for (const auto& [name, value] : told.items()) {
    Phase phase{};
    if (find_phase(name, phase) && value.is_number_integer()) phases[phase] = value.get<std::int64_t>();
  }
  return phases;
}

std::int64_t load_ns(const Phases& phases) {
  std::int64_t sum = 0;
  for (const Phase phase :
       {Phase::fetch, Phase::spawn, Phase::import, Phase::map, Phase::build, Phase::copy, Phase::warmup})
    sum += phases[phase];
  return sum;
}

// The charge of `count` such predictions. Too large to be said is unknown.
Charge times(Charge charge, std::int64_t count) {
  if (!charge.amount) return charge;
  const Result<Money> sum = charge.amount->times(count, 1);
  charge.amount = sum ? std::optional(*sum) : std::nullopt;
  if (!sum) charge.reason = sum.error().message;
  charge.billed_ns *= count;
  return charge;
}

Json reason_or_null(const Charge& charge) {
  return charge.amount ? Json(nullptr) : Json(charge.reason);
}

constexpr const char* k_not_measured = "it has not run on this device yet: how long it takes is not known";

} // namespace

Json Service::plan_json(const Bundle& bundle, const RunPlan& plan, const Json& stats,
                        std::int64_t count) const {
  std::uint64_t used_bytes = 0;
  for (const WorkerStatus& worker : m_runner->workers())
    used_bytes += worker.memory_bytes;
  const std::optional<Phases> warm = phases_of(stats, "warm", plan.device);
  const std::optional<Phases> cold = phases_of(stats, "cold", plan.device);
  Json json = {{"schema", "mrun.plan/v1"},
               {"model", bundle.manifest.name},
               {"version", bundle.digest.hex()},
               {"engine", bundle.manifest.engine},
               {"predictions", count},
               {"device", plan.device},
               {"threads", plan.threads},
               {"start", start_name(plan.start)},
               {"queued", plan.queued},
               {"unloads", Json(plan.unloads)},
               {"memory",
                {{"needed_bytes", plan.memory_bytes},
                 {"used_bytes", used_bytes},
                 {"budget_bytes", m_config.runner.memory_budget_bytes}}},
               {"predict_ns", nullptr},
               {"load_ns", nullptr},
               {"cost", nullptr},
               {"cost_reason", k_not_measured},
               {"load_cost", nullptr},
               {"load_cost_reason", nullptr},
               {"cost_reference", nullptr}};
  if (const std::optional<Phases>& last = warm ? warm : cold) {
    Usage usage{PredictionStatus::succeeded, {}, true};
    usage.phases[Phase::predict] = (*last)[Phase::predict];
    const Charge own = times(own_charge(m_config.own_rate, usage), count);
    json["predict_ns"] = usage.phases[Phase::predict];
    json["cost"] = own_charge_json(own);
    json["cost_reason"] = reason_or_null(own);
    json["cost_reference"] =
        reference_charge_json(times(reference_charge(reference_of(plan.device), usage), count));
  }
  if (plan.start != RunPlan::Start::after_load) return json;
  if (cold) {
    const Charge load = own_worker_charge(m_config.own_rate, WorkerTime::setup, load_ns(*cold), true);
    json["load_ns"] = load_ns(*cold);
    json["load_cost"] = own_charge_json(load);
    json["load_cost_reason"] = reason_or_null(load);
  } else {
    json["load_cost_reason"] = "it has not been loaded on this device yet";
  }
  return json;
}

void Service::plan(const PlanQuery& query, Callback<Json> done) {
  m_resolver.resolve(query.version, [this, query, done = std::move(done)](Result<BundlePtr> bundle) {
    if (!bundle) return done(tl::unexpected(std::move(bundle).error()));
    if (Result<void> allowed = check_consent(m_store, **bundle); !allowed)
      return done(tl::unexpected(std::move(allowed).error()));
    version_stats((*bundle)->digest.hex(), [this, query, bundle = *bundle, done](Result<Json> stats) {
      if (!stats) return done(tl::unexpected(std::move(stats).error()));
      const Result<RunPlan> plan = m_runner->plan(*bundle, query.device);
      if (!plan) return done(tl::unexpected(plan.error()));
      done(plan_json(*bundle, *plan, *stats, query.count));
    });
  });
}

} // namespace mrun
