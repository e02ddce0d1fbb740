#include "runtime/engines/torch/inspect/file_report.h"

#include "common/limits.h"
#include "common/text.h"
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

constexpr std::size_t k_max_words_bytes = 64 * k_kib;

// Names and words of the file's author reach terminals: valid UTF-8 without control characters, keys too.
Json shown(const Json& value) {
  if (value.is_string()) return printable(value.get_ref<const std::string&>(), k_max_words_bytes);
  if (!value.is_structured()) return value;
  Json result = value.is_array() ? Json::array() : Json::object();
  for (const auto& [key, item] : value.items()) {
    if (value.is_array())
      result.push_back(shown(item));
    else
      result[printable(key, k_max_words_bytes)] = shown(item);
  }
  return result;
}

Result<void> fill(FileKind kind, const Archive& archive, const CheckOptions& options, Json& report) {
  switch (kind) {
  case FileKind::exported_program:
    return report_exported(archive, options, report);
  case FileKind::torchscript:
    return report_script(archive, options, report);
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
  Json report = {{"kind", kind_name(kind)},      {"native_code", kind == FileKind::aot_inductor},
                 {"torch_version", nullptr},     {"inputs", Json::array()},
                 {"outputs", Json::array()},     {"operators", nullptr},
                 {"weights", nullptr},           {"problems", Json::array()},
                 {"cpu_problems", Json::array()}};
  if (const Result<void> done = fill(kind, archive, options, report); !done)
    report["problems"].push_back(problem_json(problem_of(done.error())));
  return shown(report);
}

} // namespace mrun::torch_engine
