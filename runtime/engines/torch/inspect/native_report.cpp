#include "common/text.h"
#include "runtime/engines/torch/aoti_package.h"
#include "runtime/engines/torch/inspect/aoti_source.h"
#include "runtime/engines/torch/inspect/reports.h"

namespace mrun::torch_engine {
namespace {

// The names of what it takes; dtypes and shapes are known to its code only.
Json inputs_json(const AotiSource& source) {
  Json inputs = Json::array();
  for (const std::size_t position : source.inputs)
    inputs.push_back({{"name", "in." + source.paths[position]},
                      {"type", "tensor"},
                      {"dtype", nullptr},
                      {"shape", nullptr},
                      {"position", position}});
  return inputs;
}

Result<void> report_source(const Archive& archive, const AotiPackage& package, Json& report) {
  if (package.source.empty()) return {};
  MRUN_ASSIGN(const std::string_view text, archive.stored_bytes(package.source));
  const std::optional<AotiSource> source = read_aoti_source(text);
  if (!source) return {};
  report["inputs"] = inputs_json(*source);
  if (!source->has_weights && package.weights_blob.empty()) return refuse_without_weights();
  return {};
}

} // namespace

Result<void> report_native(const Archive& archive, Json& report) {
  MRUN_ASSIGN(const AotiPackage package, read_aoti_package(archive));
  Json files = Json::array();
  for (const AotiFile& file : package.files)
    files.push_back({{"name", file.name}, {"size_bytes", file.member->size_bytes}});
  report["native"] = {{"device", printable(package.device, 40)},
                      {"platform", printable(package.platform, 40)},
                      {"machine", printable(package.machine, 40)},
                      {"cpu_isa", printable(package.cpu_isa, 200)},
                      {"compute_capability", printable(package.compute_capability, 40)},
                      {"runs_here", check_machine(package).has_value()},
                      {"files", std::move(files)}};
  return report_source(archive, package, report);
}

} // namespace mrun::torch_engine
