#include "cli/bench/measure/stored.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "cli/bench/report/result_json.h"
#include "common/digest.h"
#include "common/fd.h"
#include "common/text.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_max_file_bytes = 512 * k_mib;
constexpr std::size_t k_max_runs = 1000;
constexpr std::size_t k_max_samples = 5'000; // of one run that are compared: the first
constexpr double k_max_ns = 1e15;            // eleven days
constexpr std::int64_t k_max_memory_bytes = std::int64_t{1} << 50;
constexpr ErrorCode k_code = ErrorCode::bench_baseline;

Result<Samples> read_samples(const Json& result, const char* pointer, std::string_view place) {
  Samples samples;
  const Json::json_pointer at(pointer);
  if (!result.contains(at)) return samples;
  const Json& values = result.at(at);
  if (!values.is_array()) return fail(k_code, fmt::format("{}: {} is not a list", place, pointer));
  for (const Json& value : values) {
    if (!value.is_number() || value.get<double>() < 1 || value.get<double>() > k_max_ns)
      return fail(k_code,
                  fmt::format("{}: {} has a value that is no number from 1 to 10^15", place, pointer));
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
    if (total_ns <= 0 || static_cast<double>(total_ns) > k_max_ns)
      return fail(k_code, fmt::format("{}: a cold run of {} ns", place, total_ns));
    run.cold_ns.push_back(static_cast<double>(total_ns));
    MRUN_ASSIGN(const auto memory, json_integer(one, "peak_memory_bytes", k_code, place));
    if (memory.value_or(0) < 0 || memory.value_or(0) > k_max_memory_bytes)
      return fail(k_code, fmt::format("{}: a peak memory of {} bytes", place, *memory));
    if (memory.value_or(0) > 0) run.memory_bytes.push_back(static_cast<double>(*memory));
  }
  MRUN_ASSIGN(run.tier, need_string(result.at("cold"), "tier", k_code, place));
  return {};
}

Result<bool> read_doubts(const Json& result, std::string_view place) {
  const Json::json_pointer at("/compare/rows");
  if (!result.contains(at)) return false;
  if (!result.at(at).is_array()) return fail(k_code, fmt::format("{}: /compare/rows is not a list", place));
  bool doubted = false;
  for (const Json& row : result.at(at)) {
    if (!row.is_object())
      return fail(k_code, fmt::format("{}: /compare/rows has an item that is no object", place));
    MRUN_ASSIGN(const auto gated, json_bool(row, "gated", k_code, place));
    MRUN_ASSIGN(const std::string verdict, need_string(row, "verdict", k_code, place));
    doubted |= gated.value_or(false) && verdict != verdict_name(Verdict::pass) &&
               verdict != verdict_name(Verdict::improved);
  }
  return doubted;
}

Result<StoredRun> read_run(const Json& result, const std::string& file, std::string_view place) {
  if (!result.is_object() || result.value("schema", Json()) != k_result_schema)
    return fail(k_code, fmt::format("{} is no result of `mrun bench` ({})", place, k_result_schema),
                "write one with `mrun bench REF -o FILE.json`");
  StoredRun run;
  run.file = file;
  MRUN_ASSIGN(run.id, need_string(result, "id", k_code, place));
  MRUN_ASSIGN(run.created, need_string(result, "created", k_code, place));
  MRUN_ASSIGN(run.device, need_string(result, "device", k_code, place));
  MRUN_ASSIGN(run.doubted, read_doubts(result, place));
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

// What of the baseline's place is unlike this one's; "" when it is the same.
std::string other_place(const StoredRun& run, const BenchResult& result) {
  if (run.fingerprint != result.machine.fingerprint) return "the baseline was measured on another machine";
  if (run.device != result.device)
    return fmt::format("the baseline was measured on {}, this on {}", printable(run.device, 40),
                       printable(result.device, 40));
  return {};
}

bool has_common_part(const StoredRun& run, const Options& options) {
  return (options.warm && !run.warm_ns.empty()) ||
         (options.cold && !run.cold_ns.empty() && run.tier == tier_name(options.tier));
}

// A digest of 64 hex by its beginning, an id as it is.
bool is_pinned(const StoredRun& run, const std::string& pin) {
  return run.id == pin || (is_digest_prefix(pin) && run.digest.starts_with(pin));
}
bool may_be_baseline(const StoredRun& run, const std::string& pin) {
  return pin.empty() ? !run.doubted : is_pinned(run, pin);
}

const StoredRun& choose_baseline(const std::vector<StoredRun>& runs, const BenchResult& result) {
  const StoredRun* chosen = nullptr;
  for (const bool here : {false, true})
    for (const StoredRun& run : runs)
      if (may_be_baseline(run, result.options.pin) && (!here || other_place(run, result).empty()))
        chosen = &run;
  MRUN_CHECK(chosen != nullptr); // comparable_runs() has seen to it
  return *chosen;
}

// The metric's quantile in each run that shares the baseline's place, by version.
std::vector<Samples> history_of(const std::vector<StoredRun>& runs, const StoredRun& base,
                                const Metric& metric, bool by_tier) {
  std::map<std::string, Samples> versions;
  for (const StoredRun& run : runs)
    if (run.fingerprint == base.fingerprint && run.device == base.device && !(run.*metric.stored).empty() &&
        (!by_tier || run.tier == base.tier))
      versions[run.digest].push_back(quantile_of(run.*metric.stored, metric.quantile));
  std::vector<Samples> history;
  for (auto& [digest, quantiles] : versions)
    history.push_back(std::move(quantiles));
  return history;
}

void judge_metric(BenchResult& result, const std::vector<StoredRun>& runs, const StoredRun& base,
                  const Metric& metric) {
  const Samples fresh = fresh_samples(result, metric.name);
  if (fresh.empty()) return;
  const bool by_tier = metric.name == "cold" || metric.name == "rss";
  const auto tolerance = result.options.tolerances.find(std::string(metric.name));
  if ((base.*metric.stored).empty() || (by_tier && base.tier != tier_name(result.options.tier))) {
    if (tolerance != result.options.tolerances.end())
      result.warnings.push_back(
          fmt::format("{} is not compared: the baseline has not measured it so", metric.name));
    return;
  }
  GateOptions gate;
  gate.quantile = metric.quantile;
  gate.confidence = result.options.confidence;
  gate.seed = result.options.seed;
  CompareRow row;
  row.metric = metric.name;
  row.unit = metric.name == "rss" ? "bytes" : "ns";
  row.gated = tolerance != result.options.tolerances.end();
  if (row.gated) gate.tolerance = tolerance->second;
  row.judgement =
      judge_stored(base.*metric.stored, fresh, run_shift(history_of(runs, base, metric, by_tier)), gate);
  if (const std::string why = other_place(base, result); !why.empty()) {
    row.judgement.verdict = Verdict::inconclusive;
    row.judgement.reason = why;
    row.judgement.need_more = 0;
  }
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

Result<std::vector<StoredRun>> comparable_runs(std::vector<StoredRun> runs, const BenchResult& result) {
  const std::string inputs = canonical_json(inputs_json(result));
  std::size_t other_model = 0, other_inputs = 0, other_parts = 0, not_valid = 0;
  std::erase_if(runs, [&](const StoredRun& run) {
    std::size_t* why = run.model != result.subject.model       ? &other_model
                       : run.inputs != inputs                  ? &other_inputs
                       : !has_common_part(run, result.options) ? &other_parts
                       : !run.valid                            ? &not_valid
                                                               : nullptr;
    if (why != nullptr) ++*why;
    return why != nullptr;
  });
  const std::string left_out =
      fmt::format("{} of another model, {} with other inputs, {} of other parts or tiers, {} not valid",
                  other_model, other_inputs, other_parts, not_valid);
  if (runs.empty())
    return fail(
        k_code,
        fmt::format("no result of the baseline's files compares with {}: {}", result.subject.model, left_out),
        "measure one with these inputs: `mrun bench REF … -o FILE.json`");
  const std::string& pin = result.options.pin;
  if (std::ranges::any_of(runs, [&](const StoredRun& run) { return may_be_baseline(run, pin); })) return runs;
  if (!pin.empty())
    return fail(
        k_code,
        fmt::format("--pin is `{}`: of the {} results that compare with {} none has that id or digest "
                    "({})",
                    printable(pin, 80), runs.size(), result.subject.model, left_out));
  return fail(k_code,
              fmt::format("each of the {} results that compare with {} was itself doubted by its gate",
                          runs.size(), result.subject.model),
              fmt::format("name the one to compare with: --pin {}", printable(runs.back().id, 40)));
}

void judge_against(BenchResult& result, const std::vector<StoredRun>& runs) {
  const StoredRun& base = choose_baseline(runs, result);
  result.compare.emplace();
  result.compare->reference = base.file;
  result.compare->digest = base.digest;
  result.compare->warm_ns = base.warm_ns;
  if (std::string why = other_place(base, result); !why.empty()) result.warnings.push_back(std::move(why));
  for (const Metric& metric : k_metrics)
    judge_metric(result, runs, base, metric);
}

} // namespace mrun::bench
