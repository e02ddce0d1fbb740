// Where a result goes: files by kind, GitHub's annotations and step summary.
#pragma once

#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/bench/measure/result.h"
#include "cli/context.h"

namespace mrun::bench {

enum class ReportKind { json, csv, markdown, junit, html };

struct Output {
  ReportKind kind;
  std::string path;
};

// Of -o: "report.html" by its ending (.json .jsonl .csv .md .xml .html), or "junit=report.xml". The kind
// `json` with a path that ends with .jsonl appends a line. Checked before anything is measured. Errors:
// flag_value, output_exists unless --force.
Result<std::vector<Output>> parse_outputs(const cli::Arguments& arguments);

// Writes all of them, then GitHub's. The first error is returned after the others were tried.
Result<void> write_outputs(const cli::Context& context, const BenchResult& result,
                           const std::vector<Output>& outputs, bool github);

} // namespace mrun::bench
