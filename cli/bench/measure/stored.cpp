#include "cli/bench/measure/stored.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/bench/report/result_json.h"
#include "common/fd.h"
#include "common/text.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_max_file_bytes = 512 * k_mib;
constexpr std::size_t k_max_runs = 1000;
constexpr std::size_t k_max_samples = 5'000; // of one run that are compared: the first
constexpr ErrorCode k_code = ErrorCode::bench_baseline;

Result<Samples> read_samples(const Json& result, const char* pointer, std::string_view place) {
  Samples samples;
  const Json::json_pointer at(pointer);
  if (!result.contains(at)) return samples;
  const Json& values = result.at(at);
  if (!values.is_array()) return fail(k_code, fmt::format("{}: {} is not a list", place, pointer));
  for (const Json& value : values) {
    if (!value.is_number() || value.get<double>() <= 0)
      return fail(k_code, fmt::format("{}: {} has a value that is not a positive number", place, pointer));
    if (samples.size() < k_max_samples) samples.push_back(value.get<double>());
  }
  return samples;
}

Result<void> read_cold(const Json& result, StoredRun& run, std::string_view place) {
  const Json::json_pointer at("/cold/runs");
  if (!result.contains(at)) return {};
  if (!result.at(at).is_array()) return fail(k_code, fmt::format("{}: /cold/runs is not a list", place));
  for (const Json& one : result.at(at)) {
    if (!one.is_object())
      return fail(k_code, fmt::format("{}: /cold/runs has an item that is no object", place));
    MRUN_ASSIGN(const std::int64_t total_ns, need_integer(one, "total_ns", k_code, place));
    if (total_ns <= 0) return fail(k_code, fmt::format("{}: a cold run of {} ns", place, total_ns));
    run.cold_ns.push_back(static_cast<double>(total_ns));
    MRUN_ASSIGN(const auto memory, json_integer(one, "peak_memory_bytes", k_code, place));
    if (memory.value_or(0) > 0) run.memory_bytes.push_back(static_cast<double>(*memory));
  }
  MRUN_ASSIGN(run.tier, need_string(result.at("cold"), "tier", k_code, place));
  return {};
}

Result<StoredRun> read_run(const Json& result, const std::string& file, std::string_view place) {
  if (!result.is_object() || result.value("schema", Json()) != k_result_schema)
    return fail(k_code, fmt::format("{} is no result of `mrun bench` ({})", place, k_result_schema),
                "write one with `mrun bench REF -o FILE.json`");
  StoredRun run;
  run.file = file;
  MRUN_ASSIGN(run.created, need_string(result, "created", k_code, place));
  MRUN_ASSIGN(const auto valid, json_bool(result, "valid", k_code, place));
  run.valid = valid.value_or(false);
  const auto member = [&](const char* key) { return result.value(key, Json::object()); };
  const Json machine = member("machine");
  const Json bundle = member("bundle");
  const Json config = member("config");
  if (!machine.is_object() || !bundle.is_object() || !config.is_object())
    return fail(k_code, fmt::format("{}: machine, bundle and config are objects", place));
  MRUN_ASSIGN(run.fingerprint, need_string(machine, "fingerprint", k_code, place));
  MRUN_ASSIGN(run.model, need_string(bundle, "model", k_code, place));
  MRUN_ASSIGN(run.digest, need_string(bundle, "digest", k_code, place));
  run.inputs = canonical_json(config.value("inputs", Json()));
  MRUN_ASSIGN(run.warm_ns, read_samples(result, "/warm/samples_ns", place));
  MRUN_TRY(read_cold(result, run, place));
  return run;
}

// Whole files are JSON objects, or one object a line.
Result<void> read_stored_file(const std::string& file, std::vector<StoredRun>& runs) {
  MRUN_ASSIGN(const std::string text, read_file(file, k_max_file_bytes, k_code, k_code));
  const JsonLimits limits{.max_bytes = k_max_file_bytes};
  const std::string name = printable(file);
  if (const auto whole = parse_json(trim(text), k_code, name, limits)) {
    MRUN_ASSIGN(StoredRun run, read_run(*whole, file, name));
    runs.push_back(std::move(run));
    return {};
  }
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    const std::string place = fmt::format("{}:{}", name, number);
    MRUN_ASSIGN(const Json result, parse_json(line, k_code, place, limits));
    MRUN_ASSIGN(StoredRun run, read_run(result, file, place));
    runs.push_back(std::move(run));
    if (runs.size() > k_max_runs)
      return fail(k_code, fmt::format("{}: more than {} results", place, k_max_runs));
  }
  return {};
}

struct Metric {
  std::string_view name;
  double quantile;
  const Samples StoredRun::*stored;
};
constexpr Metric k_metrics[] = {{"cold", 0.5, &StoredRun::cold_ns},
                                {"rss", 0.5, &StoredRun::memory_bytes},
                                {"p50", 0.5, &StoredRun::warm_ns},
                                {"p95", 0.95, &StoredRun::warm_ns}};

Samples fresh_samples(const BenchResult& result, std::string_view metric) {
  if (metric == "cold") return result.cold ? result.cold->totals() : Samples{};
  if (metric == "rss") return result.cold ? result.cold->memory() : Samples{};
  Samples latencies = result.warm ? result.warm->latencies() : Samples{};
  if (latencies.size() > k_max_samples) latencies.resize(k_max_samples);
  return latencies;
}

void judge_metric(BenchResult& result, const std::vector<StoredRun>& runs, const Metric& metric) {
  const StoredRun& newest = runs.back();
  const Samples& base = newest.*metric.stored;
  const Samples fresh = fresh_samples(result, metric.name);
  if (base.empty() || fresh.empty()) return;
  const bool by_tier = metric.name == "cold" || metric.name == "rss";
  if (by_tier && newest.tier != tier_name(result.options.tier)) {
    result.warnings.push_back(
        fmt::format("the baseline's cold starts are of tier {}, these of {}: not compared",
                    printable(newest.tier, 40), tier_name(result.options.tier)));
    return;
  }
  Samples history;
  for (const StoredRun& run : runs)
    if (!(run.*metric.stored).empty() && (!by_tier || run.tier == newest.tier))
      history.push_back(quantile_of(run.*metric.stored, metric.quantile));
  const auto tolerance = result.options.tolerances.find(std::string(metric.name));
  GateOptions gate;
  gate.quantile = metric.quantile;
  gate.confidence = result.options.confidence;
  gate.seed = result.options.seed;
  CompareRow row;
  row.metric = metric.name;
  row.unit = metric.name == "rss" ? "bytes" : "ns";
  row.gated = tolerance != result.options.tolerances.end();
  if (row.gated) gate.tolerance = tolerance->second;
  row.judgement = judge_stored(base, fresh, run_shift(history), gate);
  result.compare->rows.push_back(std::move(row));
}

} // namespace

Result<std::vector<StoredRun>> read_stored(const std::vector<std::string>& files) {
  std::vector<StoredRun> runs;
  for (const std::string& file : files)
    MRUN_TRY(read_stored_file(file, runs));
  if (runs.empty()) return fail(k_code, "the baseline's files hold no result");
  std::stable_sort(runs.begin(), runs.end(),
                   [](const StoredRun& a, const StoredRun& b) { return a.created < b.created; });
  return runs;
}

void judge_against(BenchResult& result, const std::vector<StoredRun>& runs) {
  const StoredRun& newest = runs.back();
  result.compare.emplace();
  result.compare->reference = newest.file;
  result.compare->digest = newest.digest;
  result.compare->warm_ns = newest.warm_ns;
  if (newest.fingerprint != result.machine.fingerprint)
    result.warnings.push_back("the baseline was measured on another machine");
  if (!newest.valid) result.warnings.push_back("the baseline's own result was not valid");
  if (newest.inputs != canonical_json(inputs_json(result.options)))
    result.warnings.push_back("the baseline was measured with other inputs");
  for (const Metric& metric : k_metrics)
    judge_metric(result, runs, metric);
}

} // namespace mrun::bench
