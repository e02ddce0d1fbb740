#include "cli/installed_engines.h"

#include <algorithm>
#include <filesystem>

namespace mrun::cli {

std::vector<std::string> installed_engines(const InstallPaths& install) {
  std::vector<std::string> names;
  std::error_code problem;
  const std::filesystem::path folder = install.engine("any").parent_path();
  for (const auto& entry : std::filesystem::directory_iterator(folder, problem))
    if (entry.path().extension() == ".so") names.push_back(entry.path().stem().string());
  std::ranges::sort(names);
  return names;
}

} // namespace mrun::cli
