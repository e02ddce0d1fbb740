#include "runtime/worker/module.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "common/text.h"
#include "runtime/abi_values.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_name_bytes = 128;

std::string loader_words() {
  const char* words = ::dlerror(); // modules are opened by the main thread only
  return words == nullptr ? "no reason given" : printable(words, 400);
}

bool is_complete(const mrun_predictor& predictor) {
  return MRUN_ABI_HAS(predictor, unload) && predictor.load != nullptr && predictor.start != nullptr &&
         predictor.unload != nullptr;
}

} // namespace

Result<Module> Module::open(const std::string& path, const mrun_host* host) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return fail(ErrorCode::engine_missing, fmt::format("the engine can't be opened: {}", loader_words()));
  return enter(library, path, host);
}

Result<Module> Module::open_fd(int fd, const std::string& name, const mrun_host* host) {
  void* library = ::dlopen(fmt::format("/proc/self/fd/{}", fd).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return fail(ErrorCode::load_failed,
                fmt::format("module `{}` can't be opened: {}", printable(name), loader_words()));
  return enter(library, name, host);
}

Result<Module> Module::enter(void* library, const std::string& what, const mrun_host* host) {
  using Entry = const mrun_predictor* (*)(const mrun_host*);
  const auto entry = reinterpret_cast<Entry>(::dlsym(library, "mrun_predictor_v1"));
  if (entry == nullptr)
    return fail(
        ErrorCode::load_failed,
        fmt::format("`{}` is not a predictor module: it exports no mrun_predictor_v1", printable(what)));
  const mrun_predictor* predictor = entry(host);
  if (predictor == nullptr || predictor->abi_major != MRUN_ABI_MAJOR)
    return fail(ErrorCode::engine_mismatch,
                fmt::format("`{}` was built for another predictor ABI than {}.{}", printable(what),
                            MRUN_ABI_MAJOR, MRUN_ABI_MINOR),
                "build it again with this mrun's mrun_predictor.h");
  if (!is_complete(*predictor))
    return fail(ErrorCode::load_failed,
                fmt::format("`{}` gives an incomplete mrun_predictor", printable(what)));
  MRUN_TRY(checked_text(predictor->name, k_max_name_bytes, "its name"));
  MRUN_TRY(checked_text(predictor->version, k_max_name_bytes, "its version"));
  return Module(predictor);
}

std::string Module::name() const {
  return std::string(view(m_predictor->name));
}
std::string Module::version() const {
  return std::string(view(m_predictor->version));
}

} // namespace mrun
