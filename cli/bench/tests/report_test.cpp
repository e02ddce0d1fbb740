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
#include "cli/bench/tests/results.h"
#include "cli/flags.h"
#include "cli/render/github.h"

namespace mrun::bench {
namespace {

constexpr std::string_view k_hostile =
    "</td><script>alert(1)</script>\"'\n::error::x\x01\xff & @someone `code` | [x](y)";

std::string text_of(const BenchResult& result) {
  const cli::Terminal terminal(-1, -1, -1);
  return text_report(terminal, result);
}

TEST_CASE("bounds are named by the confidence that was asked for") {
  BenchResult result = result_of(10, 60);
  result.compare.emplace();
  result.compare->rows.push_back({"p50", "ns", true, {}});
  CHECK(has(text_of(result), "95 % bounds, one-sided"));
  result.options.confidence = 0.8;
  CHECK(has(text_of(result), "80 % bounds, one-sided"));
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
  BenchResult nothing = result_of(0, 0);
  nothing.note("first prediction", failed_sample("M1401: no"));
  judge_validity(nothing);
  CHECK_FALSE(nothing.valid());
  CHECK(nothing.exit_code() == 1);
  BenchResult strict = result_of(10, 0);
  strict.options.strict = true;
  strict.warnings.emplace_back("something");
  judge_validity(strict);
  CHECK(strict.exit_code() == 9);
}

TEST_CASE("escaping") {
  CHECK(xml_escape("<a href=\"x\">'&") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
  CHECK(xml_escape("a\x01z") == "a\xEF\xBF\xBDz");
  CHECK(xml_escape("\xEF\xBF\xBE") == "\xEF\xBF\xBD");
  CHECK(has(xml_escape("\xff"), "xff"));
  CHECK(cli::github_message("50 %\r\n::error::x") == "50 %25%0D%0A::error::x");
  CHECK(cli::github_property("a:b,c\nd") == "a%3Ab%2Cc%0Ad");
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
  result.note(text, failed_sample(text));
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

TEST_CASE("what a reader must know of a step stands beside it") {
  BenchResult result = result_of(0, 0);
  LoadStep step = step_of(StepKind::poisson, 20, 90);
  step.generator_late = true;
  step.late_send_p99_ns = 7 * k_ms;
  step.dropped = 3;
  step.meets_slo = false;
  result.load.push_back(step);
  CHECK(has(html_report(result), ">misses the SLO, sent 7.00 ms late, 3 never sent</td>"));
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
  refused({"--warmup", "0.5"}, ErrorCode::flag_value);
  refused({"--warmup", "2.5"}, ErrorCode::flag_value);
  refused({"--warmup", "0"}, ErrorCode::flag_value);
  refused({"--seed", "-5"}, ErrorCode::flag_value);
  refused({"--pin", "0123456789abcdef"}, ErrorCode::usage);
}

} // namespace
} // namespace mrun::bench
