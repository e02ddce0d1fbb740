#include "cli/consent.h"

#include <fmt/format.h>

#include "cli/predict/target.h"
#include "common/text.h"
#include "packager/consent.h"

namespace mrun::cli {

Result<void> settle_consent(const Context& context, const Bundle& bundle, const std::string& argument,
                            bool trust) {
  if (!runs_own_code(bundle.manifest)) return {};
  if (trust) {
    MRUN_ASSIGN(Store store, open_store_to_write(context));
    return store.trust(bundle.digest);
  }
  MRUN_ASSIGN(const Store store, open_store_to_read(context));
  Result<void> allowed = check_consent(store, bundle);
  if (!allowed)
    allowed.error().hint =
        fmt::format("if you trust its author: mrun predict {} --trust", printable(argument, 200));
  return allowed;
}

Result<void> note_consent(const Context& context, const Digest& version, bool trust) {
  MRUN_ASSIGN(Store store, open_store_to_write(context));
  MRUN_ASSIGN(const Bundle bundle, store.load(version));
  if (!runs_own_code(bundle.manifest)) return {};
  if (trust) return store.trust(version);
  if (!store.is_trusted(version))
    context.say(own_code_words(bundle.manifest) + ": `mrun predict` will want --trust");
  return {};
}

} // namespace mrun::cli
