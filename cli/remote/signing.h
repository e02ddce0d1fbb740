// Keys as commands name them: to sign with, and to trust.
#pragma once

#include "cli/arguments.h"
#include "cli/context.h"
#include "packager/reference.h"
#include "packager/registry/signatures.h"

namespace mrun::cli {

// The private key of --sign; its passphrase, if it has one, from --passphrase-stdin, MRUN_SIGN_PASSPHRASE or
// the terminal. Warns when others may read the file. Errors: key_invalid, key_passphrase.
Result<PrivateKey> read_signing_key(const Context& context, const Arguments& arguments);

// What must be signed by whom: --key, else the rule of config.yaml that fits the reference, else nothing.
// Errors: key_invalid, config_invalid.
Result<SignatureDemand> demand_for(const Context& context, const Arguments& arguments,
                                   const Reference& remote);

} // namespace mrun::cli
