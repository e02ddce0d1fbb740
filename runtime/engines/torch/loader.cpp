// torch.so: a loader without LibTorch, so that the worker can open it wherever LibTorch is.
//
// LibTorch is opened by absolute path from MRUN_TORCH_DIR, then impl/torch.so beside this file, whose
// undefined symbols it satisfies; no module carries a RUNPATH. Opening what is open already costs
// microseconds, so a forked child of a warmed zygote passes through here as anyone else and finds everything
// in place. No state is kept.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include <dlfcn.h>
#include <fmt/format.h>

#include "runtime/mrun_predictor.h"

namespace {

constexpr std::string_view k_built_with = MRUN_TORCH_BUILT_WITH; // "2.14.1"

mrun_text text_of(std::string_view text) {
  return {text.data(), text.size()};
}

struct Failure {
  mrun_status status = MRUN_OK;
  std::string message;
  std::string details;
};

// "2.14.1+cu130" from version.py of a wheel or build-version of the zip; empty when neither is there.
std::string torch_version(const std::filesystem::path& torch) {
  std::ifstream file(torch / "version.py");
  if (!file) file.open(torch / "build-version");
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t quote = line.find('\'');
    if (line.starts_with("__version__") && quote != std::string::npos)
      return line.substr(quote + 1, line.rfind('\'') - quote - 1);
    if (!line.empty() && line[0] >= '0' && line[0] <= '9') return line;
  }
  return {};
}

// "2.14" of "2.14.1+cu130".
std::string_view major_minor(std::string_view version) {
  const std::size_t first = version.find('.');
  return first == std::string_view::npos ? version
                                         : version.substr(0, version.find_first_of(".+", first + 1));
}

Failure missing(std::string message, std::string details) {
  details += "set MRUN_TORCH_DIR (or `torch_dir` of config.yaml) to the torch/ folder of a LibTorch " +
             std::string(major_minor(k_built_with));
  return {MRUN_MISSING, std::move(message), std::move(details)};
}

std::filesystem::path own_folder() {
  Dl_info info{};
  dladdr(reinterpret_cast<const void*>(&mrun_predictor_v1), &info);
  return info.dli_fname == nullptr ? std::filesystem::path()
                                   : std::filesystem::path(info.dli_fname).parent_path();
}

// All symbols at once: a zygote resolves them before it forks, so that its children share the pages.
bool open_global(const std::filesystem::path& library, Failure& failure) {
  if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) return true;
  failure = missing("LibTorch can't be opened", std::string(dlerror()) + "\n");
  return false;
}

// More than a gigabyte of libraries, so only for models that run on a GPU. Before the engine is asked for
// anything: LibTorch looks for its CUDA part once. libtorch.so is what operator libraries name.
bool open_cuda(const std::filesystem::path& torch, Failure& failure) {
  if (!std::filesystem::exists(torch / "lib/libtorch_cuda.so")) {
    failure = missing(
        fmt::format("the LibTorch in {} is one for a CPU, it has no lib/libtorch_cuda.so", torch.string()),
        "");
    return false;
  }
  return open_global(torch / "lib/libtorch_cuda.so", failure) &&
         open_global(torch / "lib/libtorch.so", failure);
}

// Opens LibTorch and the engine; nullptr and `failure` filled in when that is not possible.
const mrun_predictor* open_engine(const mrun_host* host, bool with_cuda, Failure& failure) {
  const char* variable = std::getenv("MRUN_TORCH_DIR");
  if (variable == nullptr || *variable != '/') {
    failure = missing("LibTorch was not found", "");
    return nullptr;
  }
  const std::filesystem::path torch = variable;
  const std::string version = torch_version(torch);
  if (!version.empty() && major_minor(version) != major_minor(k_built_with)) {
    failure = {MRUN_MISMATCH,
               fmt::format("the torch engine was built with LibTorch {}, but {} has {}", k_built_with,
                           variable, version),
               fmt::format("rebuild mrun with -DMRUN_TORCH_DIR={}, or point MRUN_TORCH_DIR to a LibTorch {}",
                           variable, major_minor(k_built_with))};
    return nullptr;
  }
  if (!open_global(torch / "lib/libc10.so", failure) || !open_global(torch / "lib/libtorch_cpu.so", failure))
    return nullptr;
  if (with_cuda && !open_cuda(torch, failure)) return nullptr;
  void* module = dlopen((own_folder() / "impl/torch.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    failure = {MRUN_MISSING, "the torch engine can't be opened", dlerror()};
    return nullptr;
  }
  using Entry = const mrun_predictor* (*)(const mrun_host*);
  const auto entry = reinterpret_cast<Entry>(dlsym(module, "mrun_predictor_v1"));
  const mrun_predictor* predictor = entry == nullptr ? nullptr : entry(host);
  if (predictor == nullptr)
    failure = {MRUN_MISMATCH, "torch.so and impl/torch.so are of different builds", "install mrun again"};
  return predictor;
}

const mrun_predictor* open_or_report(const mrun_host* host, bool with_cuda, mrun_status& status) {
  Failure failure;
  const mrun_predictor* engine = open_engine(host, with_cuda, failure);
  if (engine == nullptr) host->fail(host, 0, text_of(failure.message), text_of(failure.details));
  status = failure.status;
  return engine;
}

// The engine and its model; the loader's own handle.
struct Handle {
  const mrun_predictor* engine = nullptr;
  void* model = nullptr;
};

mrun_status warm(const mrun_host* host) {
  mrun_status status = MRUN_OK;
  const mrun_predictor* engine = open_or_report(host, false, status);
  return engine == nullptr ? status : engine->warm(host);
}

mrun_status load(const mrun_host* host, const mrun_model* description, void** model) {
  host->phase(host, text_of("import"));
  mrun_status status = MRUN_OK;
  auto handle = std::make_unique<Handle>();
  constexpr std::int32_t k_cuda = 2; // DLPack's kDLCUDA, as mrun_model has it
  handle->engine = open_or_report(host, description->device_type == k_cuda, status);
  if (handle->engine == nullptr) return status;
  status = handle->engine->load(host, description, &handle->model);
  if (status == MRUN_OK) *model = handle.release(); // unload takes it back
  return status;
}

mrun_status start(void* model, const mrun_request* requests, size_t count) {
  const auto* handle = static_cast<const Handle*>(model);
  return handle->engine->start(handle->model, requests, count);
}

void unload(void* model) {
  const std::unique_ptr<Handle> handle(static_cast<Handle*>(model));
  handle->engine->unload(handle->model);
}

constexpr std::string_view k_name = "torch";
constexpr std::string_view k_version = MRUN_VERSION " (torch " MRUN_TORCH_BUILT_WITH ")";

constexpr mrun_predictor k_predictor = {sizeof(mrun_predictor),
                                        MRUN_ABI_MAJOR,
                                        MRUN_ABI_MINOR,
                                        0,
                                        {k_name.data(), k_name.size()},
                                        {k_version.data(), k_version.size()},
                                        warm,
                                        load,
                                        start,
                                        nullptr,
                                        unload};

} // namespace

extern "C" const mrun_predictor* mrun_predictor_v1(const mrun_host* host) {
  if (host == nullptr || host->abi_major != MRUN_ABI_MAJOR || host->struct_size < sizeof(mrun_host))
    return nullptr;
  return &k_predictor;
}
