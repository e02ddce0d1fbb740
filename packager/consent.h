// Consent to native code. A version that runs a program of its author does so with the user's rights: what
// was packed here may, what came from elsewhere may once the user has said so of this very version.
#pragma once

#include "common/error.h"
#include "packager/store.h"

namespace mrun {

// Whether a bundle brings the code that runs it, rather than data for an engine of ours.
bool runs_own_code(const Manifest& manifest);
// Engine torch: the manifest says that its model file is native code (AOTInductor).
bool declares_native_code(const Manifest& manifest);
// Of a manifest that runs its own code: "its engine `native` runs its author's program".
std::string own_code_words(const Manifest& manifest);
// Error code_untrusted.
Result<void> check_consent(const Store& store, const Bundle& bundle);

} // namespace mrun
