#include "packager/registry/push.h"

#include <mutex>
#include <set>

#include <cerrno>

#include <fmt/format.h>
#include <unistd.h>

#include "packager/bundle_file_reader.h"
#include "packager/bundle_format.h"

namespace mrun {
namespace {

// A blob on its way out, and what its content is made of.
struct OutgoingBlob {
  BlobClaim claim;
  const BundleFile* file = nullptr;  // of an export: put together from its segments while it is sent
  const std::string* text = nullptr; // of an export: its config
};

// Reads a blob of the store as it is sent. What changed under way the registry finds out: it checks the
// digest.
HttpSource source_of_blob(int fd, const BlobClaim& claim) {
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

HttpSource source_of_file(BundleFileReader& reader) {
  return {reader.size(), [&reader](std::uint64_t offset, std::span<char> to) -> Result<std::size_t> {
            const std::uint64_t want = std::min<std::uint64_t>(to.size(), reader.size() - offset);
            MRUN_ASSIGN(const std::string bytes, reader.read(offset, want));
            bytes.copy(to.data(), bytes.size());
            return bytes.size();
          }};
}

HttpSource source_of_text(const std::string& text) {
  return {text.size(), [&text](std::uint64_t offset, std::span<char> to) -> Result<std::size_t> {
            return text.copy(to.data(), to.size(), static_cast<std::size_t>(offset));
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
    MRUN_TRY(list_blobs());
    m_result.manifest_bytes = m_manifest.size();
    RegistryConnection connection(m_registry);
    const std::string tag = m_request.remote.tag_or_default();
    MRUN_ASSIGN(const std::optional<RemoteManifest> present, connection.head_manifest(tag));
    for (const OutgoingBlob& blob : m_blobs)
      m_result.size_bytes += blob.claim.size;
    if (present && present->digest == m_result.digest) {
      m_result.was_there = true;
      return m_result;
    }
    if (present) m_known = known_blobs(connection, tag);
    std::vector<TransferTask> tasks;
    for (const OutgoingBlob& blob : m_blobs)
      if (!m_known.contains(blob.claim.digest))
        tasks.push_back({blob.claim.size, [this, &blob](RegistryConnection& own, ByteCount& done) {
                           return send(blob, own, done);
                         }});
    MRUN_TRY(run_transfers(m_registry, std::move(tasks), m_request.transfer));
    if (!m_request.dry_run)
      MRUN_TRY(connection.put_manifest({tag, std::string(k_manifest_media_type), m_manifest}));
    return m_result;
  }

 private:
  Result<void> list_blobs() {
    if (m_request.exported != nullptr) return list_export(*m_request.exported);
    MRUN_ASSIGN(m_manifest, m_store.read_blob(m_request.version, k_max_oci_manifest_bytes));
    MRUN_ASSIGN(const BundleLayout layout, decode_bundle(m_manifest));
    m_result.digest = m_request.version;
    for (const BlobClaim& blob : blobs_of(layout))
      m_blobs.push_back({.claim = blob});
    return {};
  }

  Result<void> list_export(const ModelPackExport& exported) {
    m_manifest = exported.manifest;
    m_result.digest = exported.digest;
    m_blobs.push_back({.claim = exported.config_claim, .text = &exported.config});
    std::set<Digest> seen;
    for (const ExportLayer& layer : exported.layers)
      if (seen.insert(layer.claim.digest).second)
        m_blobs.push_back({.claim = layer.claim, .file = &layer.file});
    return {};
  }

  Result<void> send(const OutgoingBlob& blob, RegistryConnection& connection, ByteCount& done) {
    MRUN_ASSIGN(const bool there, connection.has_blob(blob.claim.digest, blob.claim.size));
    if (there) return {};
    {
      const std::scoped_lock lock(m_mutex);
      m_result.sent_bytes += blob.claim.size;
    }
    if (m_request.dry_run) return {};
    const auto push = [&](HttpSource source) {
      return connection.push_blob(
          {.digest = blob.claim.digest, .source = std::move(source), .on_progress = [&](std::uint64_t sent) {
             done.store(sent, std::memory_order_relaxed);
           }});
    };
    if (blob.text != nullptr) return push(source_of_text(*blob.text));
    if (blob.file != nullptr) {
      BundleFileReader reader(m_store, *blob.file);
      return push(source_of_file(reader));
    }
    MRUN_ASSIGN(const UniqueFd fd, m_store.open_blob(blob.claim.digest));
    return push(source_of_blob(fd.get(), blob.claim));
  }

  Registry& m_registry;
  const PushRequest& m_request;
  const Store& m_store;
  std::string m_manifest;
  std::vector<OutgoingBlob> m_blobs;
  std::set<Digest> m_known;
  std::mutex m_mutex; // of m_result, while tasks run
  PushResult m_result;
};

} // namespace

Result<PushResult> push(Registry& registry, const PushRequest& request, const Store& store) {
  return Pushing(registry, request, store).run();
}

} // namespace mrun
