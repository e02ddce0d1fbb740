#include "packager/consent.h"

#include <fmt/format.h>

namespace mrun {
namespace {

bool has_operators(const Manifest& manifest) {
  const auto list = manifest.engine_options.find("operators");
  return manifest.engine == "torch" && list != manifest.engine_options.end() && !list->empty();
}

} // namespace

bool declares_native_code(const Manifest& manifest) {
  const auto word = manifest.engine_options.find("native_code");
  return manifest.engine == "torch" && word != manifest.engine_options.end() && *word == true;
}

bool runs_own_code(const Manifest& manifest) {
  return manifest.engine == "native" || manifest.engine == "process" || manifest.engine == "python" ||
         declares_native_code(manifest) || has_operators(manifest);
}

std::string own_code_words(const Manifest& manifest) {
  if (has_operators(manifest)) return "it brings a library of operators, its author's program";
  if (declares_native_code(manifest)) return "it is machine code, its author's program";
  return fmt::format("its engine `{}` runs its author's program", manifest.engine);
}

Result<void> check_consent(const Store& store, const Bundle& bundle) {
  if (!runs_own_code(bundle.manifest) || store.is_trusted(bundle.digest)) return {};
  return fail(ErrorCode::code_untrusted,
              fmt::format("{}@{} came from elsewhere, and {}", bundle.manifest.name,
                          bundle.digest.short_hex(), own_code_words(bundle.manifest)));
}

} // namespace mrun
