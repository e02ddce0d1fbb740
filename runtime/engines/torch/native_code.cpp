#include "runtime/engines/torch/native_code.h"

#include <cstdlib>
#include <filesystem>

#include <dlfcn.h>
#include <fmt/format.h>

#include "common/fd.h"
#include "common/text.h"
#include "runtime/engines/torch/tensors.h"

namespace mrun::torch_engine {
namespace {

const mrun_file* file_of(const mrun_model& description, std::string_view path) {
  for (std::size_t i = 0; i < description.file_count; ++i)
    if (view_of(description.files[i].name) == path) return &description.files[i];
  return nullptr;
}

std::string loader_words() {
  const char* words = ::dlerror();
  return words == nullptr ? "no reason given" : printable(words, 400);
}

OperatorNames operator_names() {
  OperatorNames names;
  for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames())
    names.insert(name.name);
  return names;
}

// A library with kernels for GPUs as well names this small one, also where it runs on a CPU: it is opened by
// its path, since nothing else here has brought it in. False: this LibTorch has none.
bool open_cuda_base() {
  const char* folder = std::getenv("MRUN_TORCH_DIR");
  if (folder == nullptr) return false;
  const std::string path = fmt::format("{}/lib/libc10_cuda.so", folder);
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) return false;
  return ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr;
}

Result<void> open_library(const mrun_model& description, const std::string& path) {
  const mrun_file* file = file_of(description, path);
  if (file == nullptr)
    return fail(ErrorCode::load_failed, fmt::format("the bundle has no file `{}`", printable(path, 200)));
  int raw = -1;
  if (file->open(file, &raw) != MRUN_OK)
    return fail(ErrorCode::load_failed, fmt::format("`{}` can't be opened", printable(path, 200)));
  const UniqueFd fd(raw);
  // Its constructors register the operators; it is never closed. All its symbols at once, before any of them
  // run.
  const auto open = [&] {
    return ::dlopen(fmt::format("/proc/self/fd/{}", fd.get()).c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr;
  };
  if (open() || (open_cuda_base() && open())) return {};
  Error error =
      fail(ErrorCode::load_failed,
           fmt::format("the operator library `{}` can't be opened: {}", printable(path, 200), loader_words()),
           fmt::format("build it against LibTorch {}", MRUN_TORCH_BUILT_WITH))
          .value();
  return tl::unexpected<Error>(std::move(error));
}

} // namespace

Result<void> open_libtorch_stand_in() {
  Dl_info info{};
  ::dladdr(reinterpret_cast<const void*>(&mrun_predictor_v1), &info);
  const std::filesystem::path folder = info.dli_fname == nullptr
                                           ? std::filesystem::path()
                                           : std::filesystem::path(info.dli_fname).parent_path();
  if (::dlopen((folder / "libtorch.so").c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) return {};
  return fail(ErrorCode::engine_missing, "a part of the torch engine is missing: " + loader_words(),
              "install mrun again");
}

Result<OperatorNames> open_operator_libraries(const mrun_model& description, const RunOptions& options) {
  OperatorNames added;
  if (options.operators.empty()) return added;
  if (!options.native_code) return refuse_native("the model brings a library of operators");
  if (description.device_type == 1) MRUN_TRY(open_libtorch_stand_in());
  const OperatorNames before = operator_names();
  for (const std::string& path : options.operators)
    MRUN_TRY(open_library(description, path));
  for (const std::string& name : operator_names())
    if (!before.contains(name)) added.insert(name);
  return added;
}

tl::unexpected<Error> refuse_native(std::string_view what) {
  return fail(ErrorCode::engine_unsupported,
              fmt::format("{}, native code, and its mrun.yaml does not say so", what),
              "its author adds `options: {native_code: true}` to mrun.yaml and packs it again; whoever gets "
              "it then consents by "
              "--trust");
}

} // namespace mrun::torch_engine
