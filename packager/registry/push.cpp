#include "packager/registry/push.h"

#include <mutex>
#include <set>

#include <cerrno>

#include <fmt/format.h>
#include <unistd.h>

#include "common/text.h"
#include "packager/bundle_format.h"

namespace mrun {
namespace {

// Reads a blob of the store as it is sent. What changed under way the registry finds out: it checks the
// digest.
HttpSource source_of(int fd, const BlobClaim& claim) {
  return {claim.size, [fd, claim](std::uint64_t offset, std::span<char> to) -> Result<std::size_t> {
            const std::size_t want =
                static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), claim.size - offset));
            while (true) {
              const ssize_t got = ::pread(fd, to.data(), want, static_cast<off_t>(offset));
              if (got < 0 && errno == EINTR) continue;
              if (got < 0)
                return fail_errno(ErrorCode::io, errno,
                                  fmt::format("can't read blob {}", claim.digest.short_hex()));
              if (got == 0 && want > 0)
                return fail(ErrorCode::store_corrupt,
                            fmt::format("blob {} is shorter than its manifest says", claim.digest.text()));
              return static_cast<std::size_t>(got);
            }
          }};
}

// What the tag's present manifest names, if it is one: the registry has these.
std::set<Digest> known_blobs(RegistryConnection& connection, const std::string& tag) {
  std::set<Digest> known;
  const auto present = connection.get_manifest(tag);
  if (!present) return known;
  const auto layout = decode_bundle(present->bytes);
  if (!layout) return known;
  for (const BlobClaim& blob : blobs_of(*layout))
    known.insert(blob.digest);
  return known;
}

class Pushing {
 public:
  Pushing(Registry& registry, const PushRequest& request, const Store& store)
      : m_registry(registry),
        m_request(request),
        m_store(store) {}

  Result<PushResult> run() {
    MRUN_ASSIGN(const std::string text, m_store.read_blob(m_request.version, k_max_oci_manifest_bytes));
    MRUN_ASSIGN(const BundleLayout layout, decode_bundle(text));
    m_result.digest = m_request.version;
    RegistryConnection connection(m_registry);
    const std::string tag = m_request.remote.tag_or_default();
    MRUN_ASSIGN(const std::optional<RemoteManifest> present, connection.head_manifest(tag));
    const std::vector<BlobClaim> blobs = blobs_of(layout);
    for (const BlobClaim& blob : blobs)
      m_result.size_bytes += blob.size;
    if (present && present->digest == m_request.version) {
      m_result.was_there = true;
      return m_result;
    }
    if (present) m_known = known_blobs(connection, tag);
    std::vector<TransferTask> tasks;
    for (const BlobClaim& blob : blobs)
      if (!m_known.contains(blob.digest))
        tasks.push_back({blob.size, [this, blob](RegistryConnection& own, ByteCount& done) {
                           return send(blob, own, done);
                         }});
    MRUN_TRY(run_transfers(m_registry, std::move(tasks), m_request.transfer));
    if (!m_request.dry_run) MRUN_TRY(connection.put_manifest(tag, std::string(k_manifest_media_type), text));
    return m_result;
  }

 private:
  Result<void> send(const BlobClaim& blob, RegistryConnection& connection, ByteCount& done) {
    MRUN_ASSIGN(const bool there, connection.has_blob(blob.digest, blob.size));
    if (there) return {};
    {
      const std::scoped_lock lock(m_mutex);
      m_result.sent_bytes += blob.size;
    }
    if (m_request.dry_run) return {};
    MRUN_ASSIGN(const UniqueFd fd, m_store.open_blob(blob.digest));
    const BlobUpload upload{
        .digest = blob.digest, .source = source_of(fd.get(), blob), .on_progress = [&](std::uint64_t sent) {
          done.store(sent, std::memory_order_relaxed);
        }};
    return connection.push_blob(upload);
  }

  Registry& m_registry;
  const PushRequest& m_request;
  const Store& m_store;
  std::set<Digest> m_known;
  std::mutex m_mutex; // of m_result, while tasks run
  PushResult m_result;
};

} // namespace

Result<PushResult> push(Registry& registry, const PushRequest& request, const Store& store) {
  return Pushing(registry, request, store).run();
}

} // namespace mrun
