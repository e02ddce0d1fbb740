// A baseline from files: which of their results count, and what is believed of them.
#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include "cli/bench/measure/stored.h"
#include "cli/bench/report/result_json.h"
#include "cli/bench/tests/results.h"

namespace mrun::bench {
namespace {

const std::string k_digest(64, 'a');
const std::string k_other_digest(64, 'b');

// 60 answers around so many milliseconds.
std::vector<Sample> answers(double ms) {
  Random random(static_cast<std::uint64_t>(1000 * ms));
  std::vector<Sample> samples;
  for (int i = 0; i < 60; ++i)
    samples.push_back(sample_of(static_cast<std::int64_t>(1e6 * ms * std::exp(0.02 * random.normal()))));
  return samples;
}

BenchResult fresh_result(double ms) {
  BenchResult result = result_of(0, 0);
  result.options.cold = false;
  result.options.tolerances = {{"p50", 0.05}};
  result.machine.fingerprint = "here";
  result.device = "cpu";
  result.warm.emplace();
  result.warm->samples = answers(ms);
  return result;
}

StoredRun stored_run(int number, double ms) {
  const BenchResult result = fresh_result(ms);
  StoredRun run;
  run.file = "history.jsonl";
  run.id = fmt::format("id{:02}", number);
  run.created = fmt::format("2026-01-{:02}T00:00:00Z", number);
  run.fingerprint = "here";
  run.device = "cpu";
  run.model = "demo/x";
  run.digest = k_digest;
  run.valid = true;
  run.inputs = canonical_json(inputs_json(result));
  run.warm_ns = result.warm->latencies();
  return run;
}

std::vector<StoredRun> history(std::initializer_list<double> ms) {
  std::vector<StoredRun> runs;
  for (const double one : ms)
    runs.push_back(stored_run(static_cast<int>(runs.size()) + 1, one));
  return runs;
}

constexpr std::initializer_list<double> k_steady = {10.0, 10.1, 9.9, 10.05, 9.95};

CompareRow judged(BenchResult result, std::vector<StoredRun> runs, BenchResult* all = nullptr) {
  auto usable = comparable_runs(std::move(runs), result);
  REQUIRE(usable);
  judge_against(result, *usable);
  REQUIRE(result.compare->rows.size() >= 1);
  if (all != nullptr) *all = result;
  return result.compare->rows[0];
}

TEST_CASE("runs of another model, other inputs or not valid are neither baseline nor noise") {
  std::vector<StoredRun> runs;
  for (int i = 0; i < 5; ++i) {
    runs.push_back(stored_run(2 * i + 1, 10 + 0.05 * i));
    runs.push_back(stored_run(2 * i + 2, 30));
    StoredRun& other = runs.back();
    if (i % 3 == 0) other.model = "demo/other";
    if (i % 3 == 1) other.inputs = "{}";
    if (i % 3 == 2) other.valid = false;
  }
  const CompareRow slower = judged(fresh_result(28), runs);
  CHECK(slower.judgement.verdict == Verdict::regressed);
  CHECK(slower.judgement.ratio == doctest::Approx(2.8).epsilon(0.05));
  CHECK(slower.judgement.tolerance < 0.1);
  CHECK(judged(fresh_result(10), runs).judgement.verdict == Verdict::pass);
}

TEST_CASE("a slower version among the earlier runs does not widen the tolerance") {
  std::vector<StoredRun> runs = history({10.0, 30.0, 10.1, 30.2, 9.9, 30.1, 10.0, 29.9, 10.05, 30.0});
  for (std::size_t i = 1; i < runs.size(); i += 2) {
    runs[i].digest = k_other_digest;
    runs[i].doubted = true;
  }
  const CompareRow row = judged(fresh_result(28), runs);
  CHECK(row.judgement.verdict == Verdict::regressed);
  CHECK(row.judgement.tolerance < 0.1);
}

TEST_CASE("a regression that was appended does not become the next baseline") {
  std::vector<StoredRun> runs = history(k_steady);
  runs.push_back(stored_run(6, 20));
  runs.back().digest = k_other_digest;
  runs.back().doubted = true;
  CHECK(judged(fresh_result(20), runs).judgement.verdict == Verdict::regressed);
  runs.back().doubted = false; // as one that was measured without a gate, or that passed
  CHECK(judged(fresh_result(20), runs).judgement.verdict != Verdict::regressed);
  for (StoredRun& run : runs)
    run.doubted = true;
  const auto none = comparable_runs(runs, fresh_result(20));
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::bench_baseline);
  CHECK(none.error().hint == "name the one to compare with: --pin id06");
}

TEST_CASE("--pin names the result by id or by the digest of its version") {
  std::vector<StoredRun> runs = history(k_steady);
  runs.push_back(stored_run(6, 20));
  runs.back().digest = k_other_digest;
  runs.back().doubted = true;
  const auto against = [&](const std::string& pin, double ms) {
    BenchResult result = fresh_result(ms);
    result.options.pin = pin;
    return judged(result, runs).judgement.verdict;
  };
  CHECK(against("id06", 20) == Verdict::pass);
  CHECK(against(k_other_digest.substr(0, 8), 20) == Verdict::pass);
  CHECK(against("id01", 20) == Verdict::regressed);
  CHECK(against(k_digest, 20) == Verdict::regressed);
  BenchResult result = fresh_result(20);
  result.options.pin = "id99";
  const auto none = comparable_runs(runs, result);
  REQUIRE_FALSE(none);
  CHECK(none.error().message.find("--pin is `id99`") == 0);
}

TEST_CASE("runs of this machine and device come first; from elsewhere a baseline never decides") {
  std::vector<StoredRun> runs = history(k_steady);
  for (int i = 6; i <= 10; ++i) {
    runs.push_back(stored_run(i, 30));
    (i % 2 == 0 ? runs.back().fingerprint : runs.back().device) = "elsewhere";
  }
  BenchResult all;
  CHECK(judged(fresh_result(28), runs, &all).judgement.verdict == Verdict::regressed);
  CHECK(all.warnings.empty());
  for (StoredRun& run : runs) {
    run.fingerprint = "here";
    run.device = "cuda:0";
  }
  const CompareRow row = judged(fresh_result(28), runs, &all);
  CHECK(row.judgement.verdict == Verdict::inconclusive);
  CHECK(row.judgement.reason == "the baseline was measured on cuda:0, this on cpu");
  CHECK(all.warnings.size() == 1);
  all.options.fail_inconclusive = true;
  CHECK(all.exit_code() == 3);
}

TEST_CASE("nothing that compares is an error that says what there is") {
  std::vector<StoredRun> runs = history({10, 10, 10, 10});
  runs[0].model = "demo/other";
  runs[1].inputs = "{}";
  runs[2].valid = false;
  runs[3].warm_ns.clear();
  const auto none = comparable_runs(runs, fresh_result(10));
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::bench_baseline);
  CHECK(none.error().message.find(
            "1 of another model, 1 with other inputs, 1 of other parts or tiers, 1 not valid") !=
        std::string::npos);
}

// A file that holds what `mrun bench` writes, changed.
class ResultFile {
 public:
  explicit ResultFile(const Json& json) {
    char name[] = "/tmp/mrun-stored-test-XXXXXX";
    const int fd = ::mkstemp(name);
    MRUN_CHECK(fd >= 0);
    ::close(fd);
    m_path = name;
    std::ofstream(m_path) << json.dump();
  }
  ResultFile(const ResultFile&) = delete;
  ResultFile& operator=(const ResultFile&) = delete;
  ~ResultFile() { std::filesystem::remove(m_path); }
  auto read() const { return read_stored({m_path}); }

 private:
  std::string m_path;
};

TEST_CASE("a result that was written is read back whole") {
  BenchResult result = fresh_result(10);
  result.compare.emplace();
  result.compare->rows.push_back({"p50", "ns", true, {}});
  result.compare->rows[0].judgement.verdict = Verdict::regressed;
  const auto runs = ResultFile(result_json(result)).read();
  REQUIRE(runs);
  const StoredRun& run = runs->at(0);
  CHECK(run.id == result.id);
  CHECK(run.device == "cpu");
  CHECK(run.fingerprint == "here");
  CHECK(run.model == "demo/x");
  CHECK(run.valid);
  CHECK(run.doubted);
  CHECK(run.warm_ns == result.warm->latencies());
  CHECK(run.inputs == canonical_json(inputs_json(result)));
}

TEST_CASE("numbers of a baseline have bounds") {
  const Json good = result_json(fresh_result(10));
  const auto refused = [&](const char* pointer, const Json& value) {
    Json bad = good;
    bad[Json::json_pointer(pointer)] = value;
    const auto runs = ResultFile(bad).read();
    REQUIRE_MESSAGE(!runs, pointer << " " << value.dump());
    CHECK(runs.error().code == ErrorCode::bench_baseline);
  };
  for (const Json& value :
       {Json(1e308), Json(5e-324), Json(0), Json(-1), Json("x"), Json(nullptr), Json(2e15)})
    refused("/warm/samples_ns/3", value);
  const Json cold = {{"tier", "process"}, {"runs", {{{"total_ns", 5}, {"peak_memory_bytes", 1}}}}};
  Json with_cold = good;
  with_cold["cold"] = cold;
  CHECK(ResultFile(with_cold).read());
  for (const Json& value : {Json(0), Json(-4), Json(INT64_MAX), Json(1e300)}) {
    Json bad = cold;
    bad["runs"][0]["total_ns"] = value;
    refused("/cold", bad);
  }
  for (const Json& value : {Json(-4), Json(INT64_MAX)}) {
    Json bad = cold;
    bad["runs"][0]["peak_memory_bytes"] = value;
    refused("/cold", bad);
  }
  refused("/compare", Json{{"rows", 3}});
  refused("/compare", Json{{"rows", {3}}});
  refused("/compare", Json{{"rows", {{{"gated", true}}}}});
  refused("/device", 3);
  refused("/id", nullptr);
}

} // namespace
} // namespace mrun::bench
