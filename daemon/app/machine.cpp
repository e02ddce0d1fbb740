#include "daemon/app/machine.h"

#include <algorithm>
#include <cstdlib>

#include "common/machine.h"

namespace mrun {
namespace fs = std::filesystem;

std::uint64_t default_memory_budget_bytes() {
  return available_memory_bytes().value_or(0) / 5 * 4;
}

std::string find_torch(const InstallPaths& install, const std::string& configured) {
  if (const char* value = std::getenv("MRUN_TORCH_DIR"); value != nullptr && value[0] == '/') return value;
  if (!configured.empty()) return configured;
  std::error_code error;
  const auto holds_torch = [&error](const fs::path& folder) {
    return fs::exists(folder / "lib/libtorch_cpu.so", error);
  };
  if (const fs::path installed = install.prefix / "lib/mrun/torch"; holds_torch(installed))
    return installed.string();
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  fs::path base = cache != nullptr && cache[0] == '/' ? fs::path(cache)
                  : home != nullptr                   ? fs::path(home) / ".cache"
                                                      : fs::path();
  if (base.empty()) return "";
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(base / "mrun-dev/python/lib", error))
    if (const fs::path torch = entry.path() / "site-packages/torch"; holds_torch(torch))
      found.push_back(torch);
  return found.empty() ? "" : std::max_element(found.begin(), found.end())->string();
}

} // namespace mrun
