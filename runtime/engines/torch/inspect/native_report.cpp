#include "common/text.h"
#include "runtime/engines/torch/aoti_package.h"
#include "runtime/engines/torch/inspect/reports.h"

namespace mrun::torch_engine {

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
  return {};
}

} // namespace mrun::torch_engine
