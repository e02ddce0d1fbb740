// What a remote reference, host/owner/name[:tag], is called elsewhere: in its registry, and in the store.
#pragma once

#include <optional>
#include <string>

#include "packager/reference.h"
#include "packager/store.h"

namespace mrun {

// The name that it gets here: without host, its last two parts. An owner with dots would read as a host, so
// they become dashes.
Reference local_reference(const Reference& remote);
// host/repository, as the index keeps it.
std::string origin_of(const Reference& remote);
// The repository's path: owner/name.
std::string repository_of(const Reference& remote);

// The version that a pull of this reference left here: the one of its digest, else what the tag means, when
// it came from there. nullopt: it has to be pulled. Errors: those of the store,
// reference_invalid (an abbreviated digest).
Result<std::optional<Digest>> pulled_version(const Store& store, const Reference& remote);

} // namespace mrun
