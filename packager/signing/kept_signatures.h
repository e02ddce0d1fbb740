// Signatures in the store, beside the versions that they belong to.
#pragma once

#include <vector>

#include "packager/signing/signature_artifact.h"
#include "packager/store.h"
#include "packager/store_writer.h"

namespace mrun {

// Keeps it as long as the version stays.
Result<void> keep_signature(Store::Writer& writer, const SignatureArtifact& signature, const Digest& version);

// What keep_signature() kept. Damaged or foreign ones are left out: they are no signatures. Errors:
// store_corrupt of the index.
Result<std::vector<SignatureArtifact>> kept_signatures(const Store& store, const Digest& version);

} // namespace mrun
