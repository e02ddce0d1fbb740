// Signatures beside a version in a registry (packager/signing): put there, found and checked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "packager/registry/registry.h"
#include "packager/signature_rule.h"
#include "packager/signing/signature_artifact.h"

namespace mrun {

// At most k_max_signatures, as they are: nothing is verified but that each belongs to the version by its own
// words. What is no signature is left out. Errors: registry_*, interrupted_by_user.
Result<std::vector<SignatureArtifact>> fetch_signatures(RegistryConnection& connection,
                                                        const Digest& version);

// Signs a version that the registry has. False: a valid signature by this key was there, nothing was sent.
// Errors: registry_*, key_invalid.
Result<bool> push_signature(RegistryConnection& connection, const BlobClaim& version, const PrivateKey& key);

// Which signature a version must have.
struct SignatureDemand {
  SignatureMode mode = SignatureMode::off;
  std::vector<PublicKey> keys; // any of them
};

// What a check found. Without a demand: nothing of it.
struct SignatureFinding {
  std::optional<SignatureArtifact> signature; // the one that fits
  std::string signed_by;                      // the name of its key
  std::optional<Error> problem;               // there is none, and the demand only warns
};
// Errors: signature_missing, signature_invalid (of a demand that is enforced), registry_*.
Result<SignatureFinding> find_signature(RegistryConnection& connection, const Digest& version,
                                        const SignatureDemand& demand);

} // namespace mrun
