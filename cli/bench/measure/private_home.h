// A home of the benchmark's own, for what must not touch the user's store: pulls that begin with nothing.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "cli/context.h"
#include "common/error.h"

namespace mrun::bench {

// While it lives, MRUN_HOME is a new folder beside the user's store, with a copy of config.yaml, and so are
// the daemon and the store that this process reaches. At its end the daemon is stopped and the folder
// removed.
class PrivateHome {
 public:
  static Result<PrivateHome> create(const cli::Context& context);
  PrivateHome(PrivateHome&& other) noexcept;
  PrivateHome& operator=(PrivateHome&& other) noexcept {
    std::swap(m_folder, other.m_folder);
    std::swap(m_program, other.m_program);
    return *this;
  }
  ~PrivateHome();

  // Runs `mrun WORDS` in it, silently. Errors: bench_pull with the last line of a failed one;
  // interrupted_by_user when `interrupt_fd` became readable (-1: never), which ends it.
  Result<void> run_mrun(const std::vector<std::string>& words, int interrupt_fd) const;

 private:
  PrivateHome(std::filesystem::path folder, std::filesystem::path program)
      : m_folder(std::move(folder)),
        m_program(std::move(program)) {}
  std::filesystem::path m_folder; // empty: moved from
  std::filesystem::path m_program;
};

} // namespace mrun::bench
