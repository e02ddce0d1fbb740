// --trust: a version from elsewhere may run the program that it brings (packager/consent.h).
#pragma once

#include "cli/arguments.h"
#include "cli/context.h"
#include "packager/store.h"

namespace mrun::cli {

inline constexpr FlagSpec k_trust_flag = {
    .name = "trust", .help = "let this version run its author's program (engine `native`), now and later"};

// Before a prediction. `argument`: what the user called it. Error code_untrusted.
Result<void> settle_consent(const Context& context, const Bundle& bundle, const std::string& argument,
                            bool trust);
// After a version has come: consent is noted with `trust`, else a word that it will be asked for.
Result<void> note_consent(const Context& context, const Digest& version, bool trust);

} // namespace mrun::cli
