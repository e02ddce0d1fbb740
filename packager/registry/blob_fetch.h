// One blob's way from a registry into the store: hashed as it arrives, gone on with where an earlier try
// broke. Internal to packager/registry.
#pragma once

#include <functional>

#include "packager/bundle_format.h"
#include "packager/registry/transfers.h"
#include "packager/store_writer.h"

namespace mrun {

// Errors of both: those of RegistryConnection::get_blob(), digest_mismatch, disk_full, …
Result<void> fetch_blob(Store::Writer& writer, const BlobClaim& claim, RegistryConnection& connection,
                        ByteCount& done);
// Gives the verified content to `take` as an open file at its start, and keeps nothing of it.
Result<void> fetch_and_use(Store::Writer& writer, const BlobClaim& claim, RegistryConnection& connection,
                           ByteCount& done, const std::function<Result<void>(int fd)>& take);

} // namespace mrun
