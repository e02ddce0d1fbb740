// `mrun verify --key`: who signed a version, in a registry or here.
#pragma once

#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/context.h"
#include "common/digest.h"

namespace mrun::cli {

struct SignedReference {
  std::string reference;
  Digest digest;
  std::string signed_by; // the name of the key
};

struct SignatureReport {
  std::vector<SignedReference> found;
  std::vector<std::string> local; // of the references those of the store, whose content can be verified, too
};

// Of every reference given: one with a host is asked for in its registry, for another one the signature that
// pull kept is checked. Without --key there is nothing to do. Errors: usage (no reference), signature_*,
// key_invalid, registry_*, model_not_found.
Result<SignatureReport> verify_signatures(const Context& context, const Arguments& arguments);

} // namespace mrun::cli
