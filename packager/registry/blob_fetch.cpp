#include "packager/registry/blob_fetch.h"

#include <fmt/format.h>

namespace mrun {
namespace {

// Fetches, and ends with `finish`, which checks the content (store_corrupt).
Result<void> fetch(Store::Writer& writer, const BlobClaim& claim, RegistryConnection& connection,
                   ByteCount& done,
                   const std::function<Result<void>(Store::Writer::Incoming& incoming)>& finish) {
  for (int attempt = 0;; ++attempt) {
    MRUN_ASSIGN(Store::Writer::Incoming incoming, writer.resume_blob(claim.digest, claim.size));
    BlobDownload download{.digest = claim.digest,
                          .size_bytes = claim.size,
                          .offset = incoming.size(),
                          .sink = [&](std::string_view bytes) -> Result<void> {
                            MRUN_TRY(incoming.write(bytes));
                            done.store(incoming.size(), std::memory_order_relaxed);
                            return {};
                          },
                          .restart = [&] { return incoming.restart(); }};
    MRUN_TRY(connection.get_blob(download));
    const Result<void> finished = finish(incoming);
    if (finished || finished.error().code != ErrorCode::store_corrupt) return finished;
    // A part of it may have been damaged, here by a power cut or on the way: once more from the start.
    if (attempt == 0) continue;
    return fail(ErrorCode::digest_mismatch, fmt::format("what {} sends as blob {} has other content",
                                                        connection.host(), claim.digest.text()));
  }
}

} // namespace

Result<void> fetch_blob(Store::Writer& writer, const BlobClaim& claim, RegistryConnection& connection,
                        ByteCount& done) {
  return fetch(writer, claim, connection, done, [&](Store::Writer::Incoming& incoming) -> Result<void> {
    MRUN_TRY(incoming.finish(claim.digest));
    return {};
  });
}

Result<void> fetch_and_use(Store::Writer& writer, const BlobClaim& claim, RegistryConnection& connection,
                           ByteCount& done, const std::function<Result<void>(int fd)>& take) {
  return fetch(writer, claim, connection, done, [&](Store::Writer::Incoming& incoming) -> Result<void> {
    MRUN_ASSIGN(const int fd, incoming.use(claim.digest));
    return take(fd);
  });
}

} // namespace mrun
