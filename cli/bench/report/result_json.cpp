#include "cli/bench/report/result_json.h"

#include <cmath>

#include <fmt/format.h>

#include "common/build_info.h"
#include "common/clock.h"
#include "common/text.h"

namespace mrun::bench {
namespace {

Json integers(const Samples& samples) {
  Json list = Json::array();
  for (const double sample : samples)
    list.push_back(static_cast<std::int64_t>(std::llround(sample)));
  return list;
}

Json whole(double value) {
  return static_cast<std::int64_t>(std::llround(value));
}

Json interval_json(const std::optional<Interval>& interval) {
  if (!interval) return nullptr;
  return Json::array({whole(interval->low), whole(interval->high)});
}

std::string quantile_key(double p) {
  return fmt::format("p{:g}", p * 100);
}

// Percentiles that n does not carry are null.
Json summary_json(const Summary& summary) {
  Json json = {{"n", summary.n}, {"median_ci", interval_json(summary.median)}};
  Json confidence = Json::object();
  for (const Quantile& quantile : summary.quantiles) {
    json[quantile_key(quantile.p)] = quantile.enough ? whole(quantile.value) : Json(nullptr);
    confidence[quantile_key(quantile.p)] = interval_json(quantile.enough ? quantile.interval : std::nullopt);
  }
  json["ci"] = std::move(confidence);
  json["outliers"] = summary.outliers.count;
  json["slow_first"] = summary.outliers.slow_first;
  json["drift"] = {{"change", summary.drift.change}, {"p", summary.drift.p}};
  if (summary.n > 0) {
    json["min"] = whole(summary.min);
    json["max"] = whole(summary.max);
    json["mean"] = whole(summary.mean);
    json["stddev"] = whole(summary.deviation);
  }
  return json;
}

Json phases_json(const Phases& phases) {
  Json json = Json::object();
  for (std::size_t i = 0; i < k_phase_names.size(); ++i)
    json[std::string(k_phase_names[i])] = phases.duration_ns[i];
  return json;
}

template<class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json cold_run_json(const ColdRun& run) {
  const Sample& sample = run.sample;
  Json phases = phases_json(sample.server.phases);
  phases["fetch"] = run.fetch_ns + sample.server.phases[Phase::fetch];
  phases["client"] = run.client_ns();
  return {{"total_ns", run.total_ns()},
          {"phases_ns", std::move(phases)},
          {"connect_ns", sample.connect_ns},
          {"first_byte_ns", sample.first_byte_ns - sample.scheduled_ns},
          {"first_output_ns",
           sample.first_output_ns < 0 ? Json(nullptr) : Json(sample.first_output_ns - sample.scheduled_ns)},
          {"residency_before", or_null(run.residency_before)},
          {"not_cold", run.not_cold.empty() ? Json(nullptr) : Json(run.not_cold)},
          {"read_bytes", or_null(sample.server.read_bytes)},
          {"major_faults", or_null(sample.server.major_faults)},
          {"peak_memory_bytes", sample.server.peak_memory_bytes},
          {"worker_pid", sample.server.worker_pid}};
}

Json cold_json(const ColdPart& part, std::uint64_t seed) {
  Json runs = Json::array();
  for (const ColdRun& run : part.runs)
    runs.push_back(cold_run_json(run));
  return {{"tier", tier_name(part.tier)},
          {"runs", std::move(runs)},
          {"total", summary_json(summarize(part.totals(), seed))}};
}

Json warm_json(const WarmPart& part, std::uint64_t seed) {
  const Samples latencies = part.latencies();
  Json json = {{"samples_ns", integers(latencies)},
               {"overhead_ns", integers(part.overheads())},
               {"latency", summary_json(summarize(latencies, seed))},
               {"overhead", summary_json(summarize(part.overheads(), seed))},
               {"warmup_requests", part.warmup_requests},
               {"settled", part.settled},
               {"elapsed_ns", part.elapsed_ns},
               {"first_output_ns", nullptr}};
  if (const Samples first = part.first_outputs(); !first.empty()) {
    json["first_output_ns"] = integers(first);
    json["first_output"] = summary_json(summarize(first, seed));
  }
  return json;
}

Json step_json(const LoadStep& step, std::uint64_t seed) {
  Samples late;
  for (const Sample& sample : step.samples)
    late.push_back(static_cast<double>(sample.sent_ns - sample.scheduled_ns));
  return {{"kind", step_kind_name(step.kind)},
          {"concurrency", step.kind == StepKind::closed ? Json(step.concurrency) : Json(nullptr)},
          {"rate", step.kind == StepKind::closed ? Json(nullptr) : Json(step.rate)},
          {"duration_ns", step.duration_ns},
          {"elapsed_ns", step.elapsed_ns},
          {"sent", step.samples.size()},
          {"ok", step.count(Outcome::succeeded)},
          {"failed", step.count(Outcome::failed)},
          {"refused", step.count(Outcome::refused)},
          {"unanswered", step.count(Outcome::unanswered)},
          {"unfinished", step.count(Outcome::pending)},
          {"dropped", step.dropped},
          {"error_rate", step.error_rate()},
          {"late_send_p99_ns", step.late_send_p99_ns},
          {"generator_late", step.generator_late},
          {"saturated", step.saturated},
          {"meets_slo", step.meets_slo},
          {"achieved_per_s", step.achieved},
          {"goodput_per_s", step.goodput},
          {"latency", summary_json(summarize(step.latencies(), seed))},
          {"queue", summary_json(summarize(step.queues(), seed))},
          {"predict", summary_json(summarize(step.predicts(), seed))},
          {"samples_ns", integers(step.latencies())},
          {"late_ns", integers(late)}};
}

Json judgement_json(const CompareRow& row) {
  const Judgement& judgement = row.judgement;
  return {{"metric", row.metric},
          {"unit", row.unit},
          {"gated", row.gated},
          {"base", whole(judgement.base)},
          {"new", whole(judgement.fresh)},
          {"ratio", judgement.ratio},
          {"ci", {judgement.interval.low, judgement.interval.high}},
          {"p", judgement.p},
          {"tolerance", judgement.tolerance},
          {"verdict", verdict_name(judgement.verdict)},
          {"reason", judgement.reason},
          {"need_more", judgement.need_more}};
}

Json compare_json(const Comparison& compare, std::uint64_t seed) {
  Json rows = Json::array();
  for (const CompareRow& row : compare.rows)
    rows.push_back(judgement_json(row));
  return {{"baseline", compare.reference},
          {"digest", compare.digest},
          {"interleaved", compare.interleaved},
          {"rows", std::move(rows)},
          {"cold", compare.cold.runs.empty() ? Json(nullptr) : cold_json(compare.cold, seed)},
          {"warm_samples_ns", integers(compare.warm_ns)}};
}

Json machine_json(const MachineFacts& machine) {
  return {{"fingerprint", machine.fingerprint},
          {"cpu", machine.cpu},
          {"cores", machine.cores},
          {"governor", machine.governor},
          {"memory_bytes", machine.memory_bytes},
          {"gpus", machine.gpus},
          {"kernel", machine.kernel},
          {"file_system", machine.file_system},
          {"virtualization", machine.virtualization},
          {"container", machine.container}};
}

Json slo_json(const Options& options) {
  Json json = Json::object();
  for (const auto& [p, limit_ns] : options.slo.quantiles_ns)
    json[quantile_key(p) + "_ns"] = limit_ns;
  if (options.slo.error_rate) json["error_rate"] = *options.slo.error_rate;
  return json;
}

Json cost_json(const CostFacts& cost) {
  const auto amount = [](const std::optional<Money>& money) {
    return money ? Json(money->text()) : Json(nullptr);
  };
  return {{"per_1000", amount(cost.per_1000)},
          {"currency", cost.currency},
          {"reason", cost.reason},
          {"reference_per_1000", amount(cost.reference_per_1000)},
          {"reference", cost.reference_name}};
}

} // namespace

Json inputs_json(const BenchResult& result) {
  return {{"i", result.options.inputs}, {"file_sha256", result.subject.cases_digest}};
}

Json options_json(const Options& options) {
  return {{"cold", options.cold ? Json(tier_name(options.tier)) : Json(nullptr)},
          {"warm", options.warm},
          {"load", options.load},
          {"runs", options.runs},
          {"duration_ns", options.duration_ns},
          {"warmup", or_null(options.warmup)},
          {"concurrency", options.concurrency},
          {"rates", options.rates},
          {"arrival", arrival_name(options.arrival)},
          {"slo", slo_json(options)},
          {"seed", options.seed},
          {"timeout_ns", options.timeout_ns},
          {"baselines", options.baselines},
          {"tolerances", options.tolerances},
          {"confidence", options.confidence},
          {"blocks", options.blocks},
          {"strict", options.strict},
          {"fail_inconclusive", options.fail_inconclusive},
          {"pin", options.pin},
          {"inputs_file", options.cases_file},
          {"device", options.device}};
}

Json result_json(const BenchResult& result) {
  const std::uint64_t seed = result.options.seed;
  Json config = options_json(result.options);
  config["argv"] = result.words;
  config["inputs"] = inputs_json(result);
  Json load = Json::array();
  for (const LoadStep& step : result.load)
    load.push_back(step_json(step, seed));
  Json slo = Json::array();
  for (const SloRow& row : result.slo)
    slo.push_back({{"what", row.what}, {"limit", row.limit}, {"value", row.value}, {"ok", row.ok}});
  Json failures = Json::array();
  for (const Failure& failure : result.failures)
    failures.push_back({{"part", failure.part}, {"count", failure.count}, {"problem", failure.problem}});
  Json parts = Json::object();
  for (const auto& [name, part] : result.parts)
    parts[name] = {{"ended", part.ended}, {"failed", part.failed}};
  return {{"schema", k_result_schema},
          {"id", result.id},
          {"created", rfc3339_utc(result.created_ns)},
          {"valid", result.valid()},
          {"partial", result.partial},
          {"invalid_reasons", result.invalid_reasons},
          {"warnings", result.warnings},
          {"exit_code", result.exit_code()},
          {"tool", {{"version", version_text()}, {"build", build_id()}}},
          {"machine", machine_json(result.machine)},
          {"bundle",
           {{"ref", result.subject.reference},
            {"model", result.subject.model},
            {"digest", result.subject.digest},
            {"size_bytes", result.subject.size_bytes},
            {"concurrency", result.subject.concurrency}}},
          {"device", result.device},
          {"config", std::move(config)},
          {"cold", result.cold ? cold_json(*result.cold, seed) : Json(nullptr)},
          {"warm", result.warm ? warm_json(*result.warm, seed) : Json(nullptr)},
          {"load", std::move(load)},
          {"ceiling_per_s", or_null(result.ceiling)},
          {"knee_per_s", or_null(result.knee)},
          {"cost", result.cost ? cost_json(*result.cost) : Json(nullptr)},
          {"compare", result.compare ? compare_json(*result.compare, seed) : Json(nullptr)},
          {"slo", std::move(slo)},
          {"failures", std::move(failures)},
          {"parts", std::move(parts)}};
}

} // namespace mrun::bench
