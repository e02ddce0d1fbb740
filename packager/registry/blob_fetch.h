// One blob's way from a registry into the store: hashed as it arrives, gone on with where an earlier try
// broke. Internal to packager/registry.
#pragma once

#include <functional>
#include <vector>

#include "packager/bundle_format.h"
#include "packager/registry/transfers.h"
#include "packager/store_writer.h"

namespace mrun {

// Adds the tasks that fetch a blob: one; of a large one several, each for a range of it, so that a limit of
// the connection is none of the blob. The writer outlives them. Errors of the tasks: those of
// RegistryConnection::get_blob(), digest_mismatch, disk_full, …
void add_fetch_tasks(Store::Writer& writer, const BlobClaim& blob, std::vector<TransferTask>& tasks);
// Of a blob that is there: it is hashed again, and fetched when it is damaged. Store and writer outlive the
// task.
void add_check_task(Store::Writer& writer, const Store& store, const BlobClaim& blob,
                    std::vector<TransferTask>& tasks);
// Gives the verified content to `take` as an open file at its start, and keeps nothing of it. Errors as
// above.
Result<void> fetch_and_use(Store::Writer& writer, const Store& store, const BlobClaim& claim,
                           RegistryConnection& connection, ByteCount& done,
                           const std::function<Result<void>(int fd)>& take);

} // namespace mrun
