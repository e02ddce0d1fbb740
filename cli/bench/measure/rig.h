// What every part of a benchmark works with.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "cli/bench/load/generator.h"
#include "cli/bench/measure/progress.h"
#include "cli/bench/measure/residency.h"
#include "cli/bench/measure/result.h"
#include "cli/bench/measure/subject.h"
#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "common/prepared_folder.h"

namespace mrun::bench {

struct Rig {
  cli::Context& context;
  cli::DaemonClient& client;
  const Store& store;
  std::filesystem::path cache; // HomePaths::cache
  const Options& options;
  int interrupt_fd;
  Progress& progress;
  BenchResult& result;
  bool interrupted = false;

  const std::filesystem::path& socket() const { return client.connection().socket(); }
  LoadedFiles files_of(const Subject& subject) const {
    return {store, subject.bundle, prepared_folder(cache, subject.bundle.digest)};
  }
  // A plan with the options' timeout and the interrupt.
  LoadPlan plan_for(const Subject& subject) const;
  // Unloads a version and waits until its workers are gone. Error bench_stuck when one is in use or does not
  // end.
  Result<void> unload(const std::string& version);

 private:
  Result<std::vector<Json>> workers_of(const std::string& version);
  Result<void> wait_for_workers(const std::string& version, std::string_view wanted,
                                const std::function<bool(const std::vector<Json>&)>& is_reached);
};

} // namespace mrun::bench
