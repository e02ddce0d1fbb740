// Reports: what they say, and that nobody's text can break out of them.
#include <doctest/doctest.h>

#include "cli/arguments.h"
#include "cli/bench/measure/options.h"
#include "cli/bench/measure/validity.h"
#include "cli/bench/report/ci_reports.h"
#include "cli/bench/report/escape.h"
#include "cli/bench/report/html_report.h"
#include "cli/bench/report/result_json.h"
#include "cli/bench/report/svg_plot.h"
#include "cli/bench/report/text_report.h"
#include "cli/bench/report/words.h"
#include "cli/flags.h"

namespace mrun::bench {
namespace {

constexpr std::int64_t k_ms = 1'000'000;
constexpr std::string_view k_hostile =
    "</td><script>alert(1)</script>\"'\n::error::x\x01\xff & @someone `code` | [x](y)";

Sample sample_of(std::int64_t latency_ns) {
  Sample sample;
  sample.scheduled_ns = 5 * k_ms;
  sample.sent_ns = sample.scheduled_ns + 1000;
  sample.connect_ns = 500;
  sample.first_byte_ns = sample.done_ns = sample.scheduled_ns + latency_ns;
  sample.outcome = Outcome::succeeded;
  sample.server.phases[Phase::spawn] = latency_ns / 4;
  sample.server.phases[Phase::predict] = latency_ns / 2;
  sample.server.total_ns = sample.server.phases.sum_ns();
  sample.server.cold_start = true;
  sample.server.peak_memory_bytes = 10'000'000;
  sample.server.cost = *Money::parse("0.000001", ErrorCode::usage);
  sample.server.cost_currency = "EUR";
  return sample;
}

BenchResult result_of(std::size_t cold, std::size_t warm) {
  BenchResult result;
  result.id = "01";
  result.created_ns = 1'700'000'000'000'000'000;
  result.subject = {"demo/x", "demo/x", std::string(64, 'a'), 1000, 1};
  result.machine.cpu = "Testing CPU";
  result.machine.cores = 2;
  result.words = {"bench", "demo/x"};
  if (cold > 0) {
    result.cold.emplace();
    for (std::size_t i = 0; i < cold; ++i) {
      ColdRun run;
      run.sample = sample_of((100 + static_cast<std::int64_t>(i)) * k_ms);
      run.residency_before = 1.0;
      result.cold->runs.push_back(std::move(run));
    }
  }
  if (warm > 0) {
    result.warm.emplace();
    for (std::size_t i = 0; i < warm; ++i)
      result.warm->samples.push_back(sample_of((10 + static_cast<std::int64_t>(i % 7)) * k_ms));
  }
  return result;
}

LoadStep step_of(StepKind kind, double rate, std::size_t n) {
  LoadStep step;
  step.kind = kind;
  step.rate = rate;
  step.concurrency = 4;
  step.elapsed_ns = 1'000 * k_ms;
  for (std::size_t i = 0; i < n; ++i)
    step.samples.push_back(sample_of((20 + static_cast<std::int64_t>(i % 50)) * k_ms));
  step.achieved = static_cast<double>(n);
  return step;
}

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string text_of(const BenchResult& result) {
  const cli::Terminal terminal(-1, -1, -1);
  return text_report(terminal, result);
}

TEST_CASE("few samples: a percentile that they don't carry is not shown") {
  BenchResult result = result_of(10, 200);
  judge_validity(result);
  CHECK(result.valid());
  const std::string text = text_of(result);
  CHECK(has(text, "VALID"));
  CHECK(has(text, "p99 – (needs n≥299, have 200)"));
  const Json json = result_json(result);
  CHECK(json["warm"]["latency"]["p99"].is_null());
  CHECK(json["warm"]["latency"]["p95"].is_number_integer());
  CHECK(json["warm"]["samples_ns"].size() == 200);
  CHECK(json["cold"]["total"]["p90"].is_null());
  CHECK(json["exit_code"] == 0);
}

TEST_CASE("the phases of a cold run add up to its total, the client's share included") {
  const Json json = result_json(result_of(10, 0));
  for (const Json& run : json["cold"]["runs"]) {
    std::int64_t sum = 0;
    for (const auto& [name, ns] : run["phases_ns"].items())
      sum += ns.get<std::int64_t>();
    CHECK(sum == run["total_ns"].get<std::int64_t>());
  }
}

TEST_CASE("too few, not cold, late, dropped, partial: not valid, exit code 9") {
  BenchResult few = result_of(6, 0);
  judge_validity(few);
  CHECK_FALSE(few.valid());
  CHECK(few.exit_code() == 9);
  CHECK(has(few.invalid_reasons[0], "6 runs, the median needs 7"));
  BenchResult warm_start = result_of(10, 0);
  warm_start.cold->runs[3].not_cold = "40.0 % of the model's files were in the page cache";
  judge_validity(warm_start);
  CHECK(has(warm_start.invalid_reasons[0], "1 of 10 runs were not cold: 40.0 %"));
  BenchResult late = result_of(0, 0);
  late.load.push_back(step_of(StepKind::poisson, 50, 100));
  late.load[0].generator_late = true;
  late.load[0].late_send_p99_ns = 7 * k_ms;
  late.load[0].dropped = 3;
  judge_validity(late);
  REQUIRE(late.invalid_reasons.size() == 2);
  CHECK(has(late.invalid_reasons[0], "generator was late"));
  CHECK(has(late.invalid_reasons[1], "3 requests were never sent"));
  BenchResult partial = result_of(10, 0);
  partial.partial = true;
  judge_validity(partial);
  CHECK_FALSE(partial.valid());
  CHECK(has(text_of(partial), "PARTIAL"));
  BenchResult strict = result_of(10, 0);
  strict.options.strict = true;
  strict.warnings.emplace_back("something");
  judge_validity(strict);
  CHECK(strict.exit_code() == 9);
}

TEST_CASE("exit codes: failed predictions, gates, SLOs") {
  BenchResult result = result_of(10, 50);
  CHECK(result.exit_code() == 0);
  result.slo.push_back({"warm p95", "1 ms", "16 ms", false});
  CHECK(result.exit_code() == 3);
  result.slo.clear();
  result.compare.emplace();
  result.compare->rows.push_back({"p50", "ns", true, {}});
  CHECK(result.exit_code() == 0); // inconclusive
  result.options.fail_inconclusive = true;
  CHECK(result.exit_code() == 3);
  result.options.fail_inconclusive = false;
  result.compare->rows[0].judgement.verdict = Verdict::regressed;
  CHECK(result.exit_code() == 3);
  result.compare->rows[0].gated = false;
  CHECK(result.exit_code() == 0);
  Sample failed;
  failed.problem = "M1401: no";
  result.note_failure("warm", failed);
  result.note_failure("warm", failed);
  CHECK(result.failures.size() == 1);
  CHECK(result.failures[0].count == 2);
  CHECK(result.exit_code() == 1);
  result.options.slo.error_rate = 0.5; // failures are what the SLO judges, where something ran that it could judge
  CHECK(result.exit_code() == 1);
  result.slo.push_back({"error rate", "50 %", "1 %", true});
  CHECK(result.exit_code() == 0);
}

TEST_CASE("what a saturated step left unanswered has not failed, what was dropped has") {
  LoadStep step = step_of(StepKind::poisson, 100, 90);
  for (int i = 0; i < 10; ++i)
    step.samples.emplace_back(); // pending
  CHECK(step.error_rate() == 0);
  step.dropped = 10;
  CHECK(step.error_rate() == doctest::Approx(0.1));
}

TEST_CASE("escaping") {
  CHECK(xml_escape("<a href=\"x\">'&") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
  CHECK(xml_escape("a\x01z") == "a\xEF\xBF\xBDz");
  CHECK(xml_escape("\xEF\xBF\xBE") == "\xEF\xBF\xBD");
  CHECK(has(xml_escape("\xff"), "xff"));
  CHECK(github_message("50 %\r\n::error::x") == "50 %25%0D%0A::error::x");
  CHECK(github_property("a:b,c\nd") == "a%3Ab%2Cc%0Ad");
  CHECK(csv_cell("plain") == "plain");
  CHECK(csv_cell("a,\"b\"") == "\"a,\"\"b\"\"\"");
  CHECK(csv_cell("=1+1") == "'=1+1");
  CHECK(markdown_escape("a|b") == "a\\|b");
  CHECK(markdown_escape("<b>x\ny") == "&lt;b&gt;x y");
  CHECK_FALSE(has(markdown_escape("@someone"), "@someone"));
}

BenchResult hostile() {
  BenchResult result = result_of(10, 60);
  const std::string text(k_hostile);
  result.subject.reference = result.subject.model = text;
  result.machine.cpu = text;
  result.words = {text};
  result.warnings = {text};
  result.invalid_reasons = {text};
  result.failures.push_back({text, 1, text});
  result.slo.push_back({text, text, text, false});
  result.compare.emplace();
  result.compare->reference = text;
  result.compare->rows.push_back({"p50", "ns", true, {}});
  result.compare->rows[0].judgement.reason = text;
  return result;
}

TEST_CASE("no report lets text become markup or commands") {
  const BenchResult result = hostile();
  const std::string html = html_report(result);
  CHECK_FALSE(has(html, "<script"));
  CHECK(has(html, "&lt;script&gt;"));
  CHECK_FALSE(has(html, "http://"));
  CHECK_FALSE(has(html, "https://"));
  const std::string junit = junit_report(result);
  CHECK_FALSE(has(junit, "<script"));
  CHECK_FALSE(has(junit, "\x01"));
  CHECK_FALSE(has(markdown_report(result), "<script"));
  const std::string annotations = github_annotations(result);
  std::size_t begin = 0;
  while (begin < annotations.size()) { // each line is a command of ours
    const std::size_t end = annotations.find('\n', begin);
    const std::string line = annotations.substr(begin, end - begin);
    CHECK_MESSAGE((line.starts_with("::error title=mrun bench") ||
                   line.starts_with("::warning title=mrun bench") ||
                   line.starts_with("::notice title=mrun bench")),
                  line);
    begin = end + 1;
  }
}

TEST_CASE("the HTML report has a curve for each part") {
  BenchResult result = result_of(10, 400);
  result.load.push_back(step_of(StepKind::closed, 0, 100));
  result.load.push_back(step_of(StepKind::poisson, 20, 100));
  result.load.push_back(step_of(StepKind::poisson, 40, 90));
  result.knee = 20;
  result.options.slo.quantiles_ns[0.95] = 50 * k_ms;
  const std::string html = html_report(result);
  for (const char* part :
       {"phases of each cold run", "latency by percentile", "throughput and latency", "SLO p95", "knee",
        "p-spawn", "Environment", "prefers-color-scheme:dark", "@media print", "width=device-width"})
    CHECK_MESSAGE(has(html, part), part);
}

TEST_CASE("CSV has a header and one row a metric; what n does not carry is empty") {
  const std::string csv = csv_report(result_of(10, 50));
  CHECK(csv.starts_with("part,metric,n,value,unit,ci_low,ci_high\r\n"));
  CHECK(has(csv, "cold process,p50,10,104500000,ns,"));
  CHECK(has(csv, "warm,p99,50,,ns,,\r\n"));
}

TEST_CASE("cost is unknown until each prediction says") {
  CostFacts cost;
  cost.reason = "no rate is set";
  CHECK(cost_words(cost) == "unknown (no rate is set)");
}

TEST_CASE("durations in three digits") {
  CHECK(time_words(1.234e9) == "1.23 s");
  CHECK(time_words(117.4e6) == "117 ms");
  CHECK(time_words(11.74e6) == "11.7 ms");
  CHECK(time_words(830e3) == "830 µs");
  CHECK(time_words(999.9e3) == "1.00 ms");
  CHECK(time_words(12) == "12 ns");
  CHECK(percent_words(1.012) == "+1.2 %");
  CHECK(percent_words(0.92) == "-8.0 %");
  CHECK(percent_words(0.9999) == "+0.0 %");
}

TEST_CASE("ticks are round") {
  CHECK(round_ticks(0, 10, 5) == std::vector<double>{0, 2, 4, 6, 8, 10});
  CHECK(log_ticks(1, 100) == std::vector<double>{1, 2, 5, 10, 20, 50, 100});
  CHECK(round_ticks(3, 3, 5).empty());
}

Result<Options> options_of(std::vector<std::string_view> words) {
  words.insert(words.begin(), "demo/x");
  const auto arguments = cli::parse_arguments(*cli::find_command("bench"), words);
  if (!arguments) return tl::unexpected<Error>(arguments.error());
  return parse_options(*arguments);
}

TEST_CASE("options") {
  const auto plain = options_of({});
  REQUIRE(plain);
  CHECK(plain->cold);
  CHECK(plain->warm);
  CHECK_FALSE(plain->load);
  CHECK(plain->tolerances.at("p50") == 0.05);
  const auto load = options_of({"--mode", "load", "--rate", "5,10.5", "--slo", "p95=500ms,error_rate=0.1%"});
  REQUIRE(load);
  CHECK(load->rates == std::vector<double>{5, 10.5});
  CHECK(load->slo.quantiles_ns.at(0.95) == 500 * k_ms);
  CHECK(*load->slo.error_rate == doctest::Approx(0.001));
  CHECK(load->slo.text() == "p95≤500 ms, error rate≤0.1 %");
  const auto gate = options_of({"--baseline", "a/b", "--max-regress", "p50=3%,rss=0.1"});
  REQUIRE(gate);
  CHECK(gate->tolerances == Tolerances{{"p50", 0.03}, {"rss", 0.1}});
}

TEST_CASE("options that make no sense are refused with what is allowed") {
  const auto refused = [](std::vector<std::string_view> words, ErrorCode code) {
    const auto options = options_of(std::move(words));
    REQUIRE_FALSE(options);
    CHECK(options.error().code == code);
  };
  refused({"--rate", "5"}, ErrorCode::usage);
  refused({"--mode", "load", "--rate", "0"}, ErrorCode::flag_value);
  refused({"--mode", "load", "--rate", "-3"}, ErrorCode::flag_value);
  refused({"--mode", "load", "--rate", "nan"}, ErrorCode::flag_value);
  refused({"--mode", "load", "--concurrency", "1.5"}, ErrorCode::flag_value);
  refused({"--mode", "load", "--concurrency", "1e9"}, ErrorCode::flag_value);
  refused({"--slo", "p42=1s"}, ErrorCode::flag_value);
  refused({"--slo", "p95"}, ErrorCode::flag_value);
  refused({"--runs", "0"}, ErrorCode::flag_value);
  refused({"--cold", "host"}, ErrorCode::usage);
  refused({"--mode", "warm", "--cold", "disk"}, ErrorCode::usage);
  refused({"--max-regress", "p50=5%"}, ErrorCode::usage);
  refused({"--baseline", "a/b", "--max-regress", "p51=5%"}, ErrorCode::flag_value);
  refused({"-i", "a=b", "--inputs", "f"}, ErrorCode::usage);
  refused({"--confidence", "1.5"}, ErrorCode::flag_value);
}

} // namespace
} // namespace mrun::bench
