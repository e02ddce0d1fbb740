// What a worker is started with: engine module, environment, arguments, and the model spec it loads.
#pragma once

#include <string>
#include <vector>

#include "common/error.h"
#include "common/fd.h"
#include "daemon/runner/runner.h"
#include "daemon/runner/scheduler.h"

namespace mrun {

// Is the engine's module there, and the library that it needs? Errors: engine_missing.
Result<void> check_engine(const RunnerConfig& config, const std::string& engine);
// What `mrun-worker --engine` gets.
std::string engine_argument(const RunnerConfig& config, const std::string& engine);
bool needs_torch(const std::string& engine);

sched::ModelTraits model_traits(const Bundle& bundle, const RunnerConfig& config);
// Intra-op threads of a worker, at least 1: the user's word, the manifest's, else this instance's part of the
// cores.
int worker_threads(const Bundle& bundle, const RunnerConfig& config);
// docs/formats/model-spec.md, as JSON text. `threads`: intra-op threads, at least 1.
std::string load_spec(const Bundle& bundle, const std::string& device, int threads);
// An allow-list: of the daemon's own environment a worker gets PATH, where its libraries are,
// which GPUs it may see, and test hooks.
std::vector<std::string> worker_environment(const RunnerConfig& config, const std::string& engine);
// The worker's folder for what is derived from one version, made if need be.
Result<UniqueFd> open_cache_folder(const RunnerConfig& config, const Digest& version);

} // namespace mrun
