#include "packager/consent.h"

#include <fmt/format.h>

namespace mrun {

bool runs_own_code(const Manifest& manifest) {
  return manifest.engine == "native" || manifest.engine == "process" || manifest.engine == "python";
}

Result<void> check_consent(const Store& store, const Bundle& bundle) {
  if (!runs_own_code(bundle.manifest) || store.is_trusted(bundle.digest)) return {};
  return fail(ErrorCode::code_untrusted,
              fmt::format("{}@{} came from elsewhere, and its engine `{}` runs its author's program",
                          bundle.manifest.name, bundle.digest.short_hex(), bundle.manifest.engine));
}

} // namespace mrun
