#include "cli/bench/command/outputs.h"

#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <fmt/format.h>

#include "cli/bench/report/ci_reports.h"
#include "cli/bench/report/html_report.h"
#include "cli/bench/report/result_json.h"
#include "cli/predict/file_saver.h"
#include "cli/render/json_text.h"
#include "common/fd.h"
#include "common/text.h"

namespace mrun::bench {
namespace {

struct Kind {
  std::string_view name;
  std::string_view ending;
  ReportKind kind;
};
constexpr Kind k_kinds[] = {{"json", ".json", ReportKind::json},  {"json", ".jsonl", ReportKind::json},
                            {"csv", ".csv", ReportKind::csv},     {"md", ".md", ReportKind::markdown},
                            {"junit", ".xml", ReportKind::junit}, {"html", ".html", ReportKind::html},
                            {"html", ".htm", ReportKind::html}};

bool appends(const Output& output) {
  return output.kind == ReportKind::json && output.path.ends_with(".jsonl");
}

Result<Output> parse_output(const std::string& text) {
  const std::size_t equals = text.find('=');
  for (const Kind& kind : k_kinds) {
    if (equals != std::string::npos && text.substr(0, equals) == kind.name)
      return Output{kind.kind, text.substr(equals + 1)};
    if (text.ends_with(kind.ending) && text.size() > kind.ending.size()) return Output{kind.kind, text};
  }
  return fail(
      ErrorCode::flag_value,
      fmt::format("-o has the value `{}`: its kind is not clear", printable(text, 100)),
      "name a file with the ending .json, .jsonl, .csv, .md, .xml (JUnit) or .html, or write KIND=FILE");
}

std::string render(const BenchResult& result, const Output& output) {
  switch (output.kind) {
  case ReportKind::json:
    return (appends(output) ? canonical_json(result_json(result)) : cli::pretty_json(result_json(result))) +
           "\n";
  case ReportKind::csv:
    return csv_report(result);
  case ReportKind::markdown:
    return markdown_report(result);
  case ReportKind::junit:
    return junit_report(result);
  case ReportKind::html:
    return html_report(result);
  }
  return {};
}

Result<void> append(const std::string& path, std::string_view text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd) return fail_errno(ErrorCode::io, errno, fmt::format("can't open {}", printable(path)));
  return write_all(fd.get(), text, path);
}

Result<void> write_one(const BenchResult& result, const Output& output) {
  const std::string text = render(result, output);
  if (appends(output)) return append(output.path, text);
  MRUN_ASSIGN(cli::AtomicFile file, cli::AtomicFile::create(output.path));
  MRUN_TRY(file.write(text));
  return file.commit(true); // whether it may be replaced was asked before the measurement
}

// What a model says can't become a workflow command: annotations are escaped, and nothing else of it begins a
// line here.
Result<void> tell_github(const cli::Context& context, const BenchResult& result) {
  context.terminal.annotate(github_annotations(result));
  const char* summary = std::getenv("GITHUB_STEP_SUMMARY");
  if (summary == nullptr || *summary == '\0') return {};
  return append(summary, markdown_report(result) + "\n");
}

} // namespace

Result<std::vector<Output>> parse_outputs(const cli::Arguments& arguments) {
  std::vector<Output> outputs;
  for (const std::string& text : arguments.values("output")) {
    MRUN_ASSIGN(Output output, parse_output(text));
    if (!appends(output)) MRUN_TRY(cli::check_target(output.path, arguments.has("force")));
    outputs.push_back(std::move(output));
  }
  return outputs;
}

Result<void> write_outputs(const cli::Context& context, const BenchResult& result,
                           const std::vector<Output>& outputs, bool github) {
  Result<void> worst;
  const auto keep = [&](Result<void> written) {
    if (!written && worst) worst = std::move(written);
  };
  for (const Output& output : outputs) {
    keep(write_one(result, output));
    if (worst) context.say(fmt::format("wrote {}", printable(output.path)));
  }
  if (github) keep(tell_github(context, result));
  return worst;
}

} // namespace mrun::bench
