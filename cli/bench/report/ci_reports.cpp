#include "cli/bench/report/ci_reports.h"

#include <fmt/format.h>

#include "cli/bench/measure/checks.h"
#include "cli/bench/report/escape.h"
#include "cli/bench/report/rows.h"
#include "cli/bench/report/words.h"
#include "cli/render/github.h"
#include "common/build_info.h"
#include "common/clock.h"

namespace mrun::bench {
namespace {

std::string number(double value, std::string_view unit) {
  return unit == "ns" || unit == "bytes" ? fmt::format("{:.0f}", value) : fmt::format("{:.6g}", value);
}

// ---- JUnit
// ----------------------------------------------------------------------------------------------------------

struct Case {
  std::string group;
  std::string name;
  double time_s = 0;
  std::string element = {}; // failure, error or skipped
  std::string message = {};
};

double elapsed_s(const BenchResult& result, std::string_view part) {
  double ns = 0;
  if (part == "cold" && result.cold)
    for (const ColdRun& run : result.cold->runs)
      ns += static_cast<double>(run.total_ns());
  if (part == "warm" && result.warm) ns = static_cast<double>(result.warm->elapsed_ns);
  return ns / 1e9;
}

std::string element_of(CheckState state) {
  constexpr std::string_view k_names[] = {"", "skipped", "failure", "error"};
  return std::string(k_names[static_cast<std::size_t>(state)]);
}

// What was measured, and what it must hold: as the exit code judges it.
std::vector<Case> cases_of(const BenchResult& result) {
  std::vector<Case> cases;
  for (Check& check : checks_of(result))
    cases.push_back({std::move(check.group), std::move(check.name), 0, element_of(check.state),
                     std::move(check.message)});
  if (result.cold)
    cases.push_back(
        {"bench", fmt::format("cold {}", tier_name(result.cold->tier)), elapsed_s(result, "cold")});
  if (result.warm) cases.push_back({"bench", "warm", elapsed_s(result, "warm")});
  for (const LoadStep& step : result.load)
    cases.push_back({"bench", "load " + step.name(), static_cast<double>(step.elapsed_ns) / 1e9});
  return cases;
}

std::string property(std::string_view name, std::string_view value) {
  return fmt::format("    <property name=\"{}\" value=\"{}\"/>\n", xml_escape(name), xml_escape(value));
}

std::string case_xml(const Case& test) {
  std::string xml = fmt::format("    <testcase classname=\"mrun.{}\" name=\"{}\" time=\"{:.3f}\"", test.group,
                                xml_escape(test.name), test.time_s);
  if (test.element.empty()) return xml + "/>\n";
  const std::string type = test.element == "skipped" ? "" : fmt::format(" type=\"{}\"", test.group);
  return xml + fmt::format(">\n      <{} message=\"{}\"{}/>\n    </testcase>\n", test.element,
                           xml_escape(test.message), type);
}

// ---- Markdown
// -------------------------------------------------------------------------------------------------------

std::string row_of(std::initializer_list<std::string> cells) {
  std::string line = "|";
  for (const std::string& cell : cells)
    line += " " + cell + " |";
  return line + "\n";
}

std::string list_of(std::string_view title, const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  std::string text = fmt::format("\n**{}**\n\n", title);
  for (const std::string& line : lines)
    text += fmt::format("- {}\n", markdown_escape(line));
  return text;
}

std::string interval_cell(const MetricRow& row) {
  if (!row.interval) return "";
  return row.unit == "ns"
             ? fmt::format("{} – {}", time_words(row.interval->low), time_words(row.interval->high))
             : "";
}

} // namespace

std::string csv_report(const BenchResult& result) {
  std::string text = "part,metric,n,value,unit,ci_low,ci_high\r\n";
  for (const MetricRow& row : metric_rows(result)) {
    text += fmt::format("{},{},{},{},{},", csv_cell(row.part), csv_cell(row.metric), row.n,
                        row.value ? number(*row.value, row.unit) : "", row.unit);
    if (row.interval)
      text += fmt::format("{},{}", number(row.interval->low, row.unit), number(row.interval->high, row.unit));
    else
      text += ",";
    text += "\r\n";
  }
  return text;
}

std::string markdown_report(const BenchResult& result) {
  std::string text = fmt::format("### mrun bench {}: {}\n\n", markdown_escape(result.subject.reference),
                                 judged_words(result));
  text += fmt::format("{} cores, {}, {}, `{}`\n", result.machine.cores, markdown_escape(result.machine.cpu),
                      markdown_escape(result.machine.kernel), result.subject.digest.substr(0, 12));
  text += list_of("Not valid", result.invalid_reasons);
  if (result.compare && !result.compare->rows.empty()) {
    text += "\n" + row_of({"metric", "base", "new", "change", "bounds", "verdict"}) +
            "|---|---|---|---|---|---|\n";
    for (const CompareRow& row : result.compare->rows)
      text += row_of({row.metric, value_words(row, row.judgement.base), value_words(row, row.judgement.fresh),
                      percent_words(row.judgement.ratio),
                      fmt::format("{} … {}", percent_words(row.judgement.interval.low),
                                  percent_words(row.judgement.interval.high)),
                      markdown_escape(verdict_words(row))});
  }
  text += "\n" + row_of({"part", "metric", "n", "value", "95 % interval"}) + "|---|---|---|---|---|\n";
  for (const MetricRow& row : metric_rows(result))
    text += row_of({markdown_escape(row.part), markdown_escape(row.metric), std::to_string(row.n),
                    metric_words(row), interval_cell(row)});
  std::vector<std::string> slo;
  for (const SloRow& row : result.slo)
    slo.push_back(
        fmt::format("{} {}: {} (limit {})", row.ok ? "ok" : "MISSED", row.what, row.value, row.limit));
  text += list_of("SLO", slo);
  if (result.cost) text += fmt::format("\nCost per 1,000: {}\n", markdown_escape(cost_words(*result.cost)));
  std::vector<std::string> failures;
  for (const Failure& failure : result.failures)
    failures.push_back(fmt::format("{} × {}: {}", failure.count, failure.part, failure.problem));
  text += list_of("Failed", failures);
  return text + list_of("Warnings", result.warnings);
}

std::string junit_report(const BenchResult& result) {
  const std::vector<Case> cases = cases_of(result);
  std::size_t failures = 0, errors = 0, skipped = 0;
  double time_s = 0;
  std::string body;
  for (const Case& test : cases) {
    failures += test.element == "failure" ? 1 : 0;
    errors += test.element == "error" ? 1 : 0;
    skipped += test.element == "skipped" ? 1 : 0;
    time_s += test.time_s;
    body += case_xml(test);
  }
  const std::string counts =
      fmt::format("tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3f}\"", cases.size(),
                  failures, errors, skipped, time_s);
  std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  xml += fmt::format("<testsuites name=\"mrun bench\" {}>\n", counts);
  // JUnit's timestamps have no zone and whole seconds.
  xml += fmt::format("  <testsuite name=\"{}\" {} timestamp=\"{}\">\n", xml_escape(result.subject.reference),
                     counts, rfc3339_utc(result.created_ns).substr(0, 19));
  xml += "  <properties>\n";
  xml +=
      property("id", result.id) + property("digest", result.subject.digest) + property("build", build_id());
  xml += property("cpu", result.machine.cpu) + property("fingerprint", result.machine.fingerprint);
  for (const MetricRow& row : metric_rows(result))
    if (row.value)
      xml += property(fmt::format("{} {} {}", row.part, row.metric, row.unit), number(*row.value, row.unit));
  xml += "  </properties>\n" + body;
  return xml + "  </testsuite>\n</testsuites>\n";
}

std::string github_annotations(const BenchResult& result) {
  std::string text;
  const auto add = [&](std::string_view level, const std::string& title, std::string_view message) {
    text += fmt::format("::{} title={}::{}\n", level, cli::github_property("mrun bench: " + title),
                        cli::github_message(message));
  };
  for (const std::string& reason : result.invalid_reasons)
    add("error", "not valid", reason);
  for (const Failure& failure : result.failures)
    add(result.is_judged(failure) ? "notice" : "error", failure.part + " failed",
        fmt::format("{} ×: {}", failure.count, failure.problem));
  for (const Check& check : checks_of(result)) {
    const bool good = check.state == CheckState::passed;
    if (check.group == "bench" || (check.group == "slo" && good)) continue;
    add(check.exit_code != 0 ? "error"
        : good               ? "notice"
                             : "warning",
        check.group == "slo" ? "SLO missed" : check.name, fmt::format("{}: {}", check.name, check.message));
  }
  for (const std::string& warning : result.warnings)
    add("warning", "warning", warning);
  return text;
}

} // namespace mrun::bench
