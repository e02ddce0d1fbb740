// Signatures beside a version in a registry (packager/signing): put there, found and checked.
#pragma once

#include <vector>

#include "packager/registry/registry.h"
#include "packager/signing/signature_artifact.h"

namespace mrun {

// At most k_max_signatures, as they are: nothing is verified but that each belongs to the version by its own
// words. What is no signature is left out. Errors: registry_*, interrupted_by_user.
Result<std::vector<SignatureArtifact>> fetch_signatures(RegistryConnection& connection,
                                                        const Digest& version);

// Signs a version that the registry has. False: a valid signature by this key was there, nothing was sent.
// Errors: registry_*, key_invalid.
Result<bool> push_signature(RegistryConnection& connection, const BlobClaim& version, const PrivateKey& key);

} // namespace mrun
