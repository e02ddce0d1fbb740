// The bundle's files for tests: a map in memory, or a folder.
#pragma once

#include <map>
#include <string>

#include <fmt/format.h>

#include "common/fd.h"
#include "runtime/steps/step.h"

namespace mrun::test {

class TestFiles : public StepFiles {
 public:
  std::map<std::string, std::string, std::less<>> files;
  std::string folder;
  UniqueFd cache;

  Result<std::string_view> bundle_file(std::string_view path) override {
    if (const auto at = files.find(path); at != files.end()) return std::string_view(at->second);
    if (folder.empty()) return fail(ErrorCode::load_failed, fmt::format("the bundle has no file `{}`", path));
    MRUN_ASSIGN(std::string text, read_file(fmt::format("{}/{}", folder, path), 256 * k_mib,
                                            ErrorCode::load_failed, ErrorCode::load_failed));
    return std::string_view(files.emplace(path, std::move(text)).first->second);
  }
  int cache_dir_fd() const override { return cache.get(); }
};

} // namespace mrun::test
