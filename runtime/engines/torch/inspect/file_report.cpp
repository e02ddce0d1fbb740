#include "runtime/engines/torch/inspect/file_report.h"

#include "runtime/engines/torch/inspect/reports.h"
#include "runtime/engines/torch/model.h"

namespace mrun::torch_engine {
namespace {

Problem problem_of(const Error& error) {
  return {error.message, error.hint, error.notes.empty() ? "" : error.notes.front()};
}

const char* kind_name(FileKind kind) {
  switch (kind) {
  case FileKind::exported_program:
    return "exported_program";
  case FileKind::torchscript:
    return "torchscript";
  case FileKind::aot_inductor:
    return "aot_inductor";
  case FileKind::pickled_tensors:
    return "pickled_tensors";
  case FileKind::old_export:
    return "old_export";
  case FileKind::unknown:
    break;
  }
  return "zip";
}

Result<void> fill(FileKind kind, const Archive& archive, const CheckOptions& options, Json& report) {
  switch (kind) {
  case FileKind::exported_program:
    return report_exported(archive, options, report);
  case FileKind::torchscript:
    return report_script(archive, report);
  case FileKind::aot_inductor:
    return report_native(archive, report);
  default:
    return refuse_kind(kind);
  }
}

} // namespace

Json problem_json(const Problem& problem) {
  return {{"message", problem.message}, {"hint", problem.hint}, {"source", problem.source}};
}

Result<Json> report_archive(const Archive& archive, const CheckOptions& options) {
  const FileKind kind = kind_of(archive.directory().members());
  Json report = {{"kind", kind_name(kind)},  {"native_code", kind == FileKind::aot_inductor},
                 {"torch_version", nullptr}, {"inputs", Json::array()},
                 {"outputs", Json::array()}, {"operators", nullptr},
                 {"weights", nullptr},       {"problems", Json::array()}};
  if (const Result<void> done = fill(kind, archive, options, report); !done)
    report["problems"].push_back(problem_json(problem_of(done.error())));
  return report;
}

} // namespace mrun::torch_engine
