// What a remote reference, host/owner/name[:tag], is called elsewhere: in its registry, and in the store.
#pragma once

#include <optional>
#include <string>
#include <vector>

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

// Whether an entry of the store is of the model that a reference names: of this very name, or, with a host,
// of the one that a pull from there gave it.
bool is_named_by(const TagEntry& entry, const Reference& reference);
// The tag of the store that a reference without a digest means: the one of this very name, else, with a host,
// the one that a pull from there left. nullptr: none.
const TagEntry* find_tag(const std::vector<TagEntry>& entries, const Reference& reference);
// The version that is here of a reference with a host: the one of its digest, else the one of find_tag().
// nullopt: it has to be pulled. Errors: those of the store, reference_invalid (an abbreviated digest).
Result<std::optional<Digest>> pulled_version(const Store& store, const Reference& remote);
// The version that a reference means here, with a host or without: what every command goes by. A digest may
// be that of another tool's manifest which the version was made of. Errors: those of Store::resolve(),
// reference_invalid.
Result<Digest> find_version(const Store& store, const Reference& reference);

} // namespace mrun
