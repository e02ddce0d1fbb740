#include "daemon/runner/load_spec.h"

#include <cstdlib>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/prepared_folder.h"
#include "common/text.h"
#include "packager/model_spec.h"

namespace mrun {
namespace {

constexpr std::string_view k_native = "native"; // the bundle's own module; mrun-worker knows it by this word
// A worker without weights still has its program, heap and engine.
constexpr std::uint64_t k_worker_base_bytes = 32 * k_mib;

} // namespace

bool needs_torch(const std::string& engine) {
  return engine == "torch";
}

std::string engine_argument(const RunnerConfig& config, const std::string& engine) {
  return engine == k_native ? std::string(k_native) : config.install.engine(engine).string();
}

Result<void> check_engine(const RunnerConfig& config, const std::string& engine) {
  if (engine == k_native) return {}; // the module is in the bundle
  const std::filesystem::path module = config.install.engine(engine);
  if (::access(module.c_str(), R_OK) != 0)
    return fail(
        ErrorCode::engine_missing,
        fmt::format("this mrun has no engine '{}': there is no {}", engine, module.string()),
        "the model can be packed, pushed, pulled and shown here, not run; `mrun version` lists the engines");
  if (!needs_torch(engine)) return {};
  if (config.torch_dir.empty())
    return fail(
        ErrorCode::engine_missing, "engine 'torch' needs LibTorch, and none was found",
        "set MRUN_TORCH_DIR to a LibTorch (the torch/ folder of the pip package), then `mrun daemon stop`");
  const std::string library = config.torch_dir + "/lib/libtorch_cpu.so";
  if (::access(library.c_str(), R_OK) != 0)
    return fail(
        ErrorCode::engine_missing, fmt::format("engine 'torch' needs LibTorch: there is no {}", library),
        "set MRUN_TORCH_DIR to a LibTorch (the torch/ folder of the pip package), then `mrun daemon stop`");
  return {};
}

namespace {
ModelSettings settings_of(const Bundle& bundle, const RunnerConfig& config) {
  const auto found = config.models.find(bundle.manifest.name);
  return found == config.models.end() ? ModelSettings() : found->second;
}
} // namespace

sched::ModelTraits model_traits(const Bundle& bundle, const RunnerConfig& config) {
  const Manifest& manifest = bundle.manifest;
  sched::ModelTraits traits;
  traits.name = manifest.name;
  traits.memory_bytes = manifest.memory_mib ? *manifest.memory_mib * k_mib
                                            : k_worker_base_bytes + bundle.size_bytes + bundle.size_bytes / 4;
  traits.concurrency = std::max(manifest.concurrency, 1);
  traits.threads = worker_threads(bundle, config);
  if (manifest.engine == "echo" && manifest.threads == 0) traits.threads = 0; // it waits more than it works
  const ModelSettings settings = settings_of(bundle, config);
  traits.instances = settings.instances;
  traits.pinned = settings.pinned;
  return traits;
}

int worker_threads(const Bundle& bundle, const RunnerConfig& config) {
  const ModelSettings settings = settings_of(bundle, config);
  if (settings.threads > 0) return settings.threads;
  if (bundle.manifest.threads > 0) return bundle.manifest.threads;
  return std::max(config.core_tokens / settings.instances, 1);
}

std::string load_spec(const Bundle& bundle, const std::string& device, int threads) {
  return canonical_json(model_spec(bundle, device, std::max(threads, 1)));
}

std::vector<std::string> worker_environment(const RunnerConfig& config, const std::string& engine) {
  std::vector<std::string> environment = {"LANG=C.UTF-8", "MALLOC_ARENA_MAX=2"};
  for (const char* name : {
           "PATH",
           "LD_LIBRARY_PATH",
           "CUDA_VISIBLE_DEVICES",
           "MRUN_LOG",
#ifdef MRUN_TEST_HOOKS
           "MRUN_CODE_TRACE",
           "ASAN_OPTIONS",
           "UBSAN_OPTIONS",
           "LSAN_OPTIONS",
           "TSAN_OPTIONS",
           "MRUN_ECHO_WARM",
#endif
       })
    if (const char* value = std::getenv(name); value != nullptr)
      environment.push_back(fmt::format("{}={}", name, value));
  if (needs_torch(engine)) {
    environment.push_back("MRUN_TORCH_DIR=" + config.torch_dir);
    environment.push_back(fmt::format("OMP_NUM_THREADS={}", std::max(config.core_tokens, 1)));
    environment.push_back("OMP_WAIT_POLICY=PASSIVE");
    environment.push_back("ONEDNN_PRIMITIVE_CACHE_CAPACITY=64");
    environment.push_back("LRU_CACHE_CAPACITY=64");
    environment.push_back("CUDA_MODULE_LOADING=LAZY");
  }
  return environment;
}

Result<UniqueFd> open_cache_folder(const RunnerConfig& config, const Digest& version) {
  const std::filesystem::path folder = prepared_folder(config.cache_folder, version);
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd)
    return fail_errno(ErrorCode::io, errno, fmt::format("can't open the cache folder {}", folder.string()));
  return fd;
}

} // namespace mrun
