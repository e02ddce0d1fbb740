// A predictor module: a shared object behind mrun_predictor_v1, opened once and never closed (libraries leave
// thread-local state and exit handlers behind; the process is the unit of unloading).
#pragma once

#include <string>

#include "common/error.h"
#include "runtime/mrun_predictor.h"

namespace mrun {

class Module {
 public:
  // Opens an installed engine. With MRUN_TORCH_DIR in the environment LibTorch's libraries are opened first,
  // by absolute path, since engine modules carry no RUNPATH. `host` outlives the process's use of the module.
  // Errors: engine_missing (no such file or a library of it is missing; the loader's own words are in the
  // message), engine_mismatch (another ABI version), load_failed (not a predictor module).
  static Result<Module> open(const std::string& path, const mrun_host* host);
  // The same for an open descriptor: a bundle's own module.
  static Result<Module> open_fd(int fd, const std::string& name, const mrun_host* host);

  const mrun_predictor& predictor() const { return *m_predictor; }
  std::string name() const;
  std::string version() const;
  bool finishes_later() const { return (m_predictor->flags & MRUN_FINISHES_LATER) != 0; }

 private:
  explicit Module(const mrun_predictor* predictor) : m_predictor(predictor) {}
  static Result<Module> enter(void* library, const std::string& what, const mrun_host* host);

  const mrun_predictor* m_predictor; // static storage of the module
};

} // namespace mrun
