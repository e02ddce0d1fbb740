#include "packager/registry/push.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include <cerrno>

#include <fmt/format.h>
#include <unistd.h>

#include "packager/bundle_file_reader.h"
#include "packager/bundle_format.h"
#include "packager/registry/pull.h"
#include "packager/registry/push_notes.h"
#include "packager/sha256.h"

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

// Where this machine has reason to believe that a blob is already.
struct KnownBlobs {
  std::set<Digest> here;   // the tag's present manifest names it
  std::set<Digest> likely; // it was pushed to the repository or pulled from it once: worth a question
  std::map<Digest, std::string> elsewhere; // in another repository of the registry, that is named
};

// A small blob costs no more to send than to ask for.
constexpr std::uint64_t k_worth_knowing_bytes = 64 * k_kib;
constexpr std::size_t k_most_looked_at = 100; // manifests, of up to 4 MiB each

class Pushing {
 public:
  Pushing(Registry& registry, const PushRequest& request, const Store& store)
      : m_registry(registry),
        m_request(request),
        m_store(store),
        m_tag(request.remote.tag_or_default()) {}

  Result<PushResult> run() {
    MRUN_TRY(list_blobs());
    m_result.manifest_bytes = m_manifest.size();
    for (const OutgoingBlob& blob : m_blobs)
      m_result.size_bytes += blob.claim.size;
    RegistryConnection connection(m_registry);
    MRUN_ASSIGN(const std::optional<RemoteManifest> present, connection.head_manifest(m_tag));
    if (present && present->digest == m_result.digest) {
      m_result.was_there = true;
      if (!m_request.dry_run) remember();
      return m_result;
    }
    look_around(connection, present);
    Result<void> sent = send_all(connection);
    // What was taken as known may have been deleted there.
    if (!sent && sent.error().code == ErrorCode::remote_not_found && !m_known.here.empty()) {
      m_known.here.clear();
      sent = send_all(connection);
    }
    MRUN_TRY(sent);
    if (!m_request.dry_run) remember();
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

  std::string origin() const { return origin_of(m_request.remote); }
  void remember() const { PushNotes(m_request.notes).add({origin(), m_result.digest}); }

  // What the tag's present manifest names; of the rest, what was pushed to or pulled from this registry
  // before: the latest first, until nothing is left that is worth it. Nothing here can fail the push.
  void look_around(RegistryConnection& connection, const std::optional<RemoteManifest>& present) {
    if (present) {
      auto text = m_store.read_blob(present->digest, k_max_oci_manifest_bytes);
      if (!text)
        if (auto manifest = connection.get_manifest(m_tag)) text = std::move(manifest->bytes);
      if (const auto layout =
              text ? decode_bundle(*text) : Result<BundleLayout>(tl::unexpected(text.error())))
        for (const BlobClaim& blob : blobs_of(*layout))
          m_known.here.insert(blob.digest);
    }
    std::set<Digest> open; // of the large ones
    for (const OutgoingBlob& blob : m_blobs)
      if (blob.claim.size > k_worth_knowing_bytes && !m_known.here.contains(blob.claim.digest))
        open.insert(blob.claim.digest);
    std::set<Digest> seen;
    for (const PushNote& note : earlier_versions()) {
      if (open.empty() || seen.size() == k_most_looked_at) return;
      if (!seen.insert(note.version).second) continue;
      if (const auto text = m_store.read_blob(note.version, k_max_oci_manifest_bytes))
        note_manifest(*text, note.origin, open);
    }
  }

  // Of this registry; those of the target's repository first.
  std::vector<PushNote> earlier_versions() const {
    std::vector<PushNote> notes = PushNotes(m_request.notes).read();
    if (const auto entries = m_store.list())
      for (const TagEntry& entry : *entries)
        if (!entry.origin.empty()) notes.push_back({entry.origin, entry.digest});
    std::erase_if(
        notes, [&](const PushNote& note) { return !note.origin.starts_with(m_request.remote.host + "/"); });
    std::ranges::stable_partition(notes, [&](const PushNote& note) { return note.origin == origin(); });
    return notes;
  }

  void note_manifest(const std::string& text, const std::string& where, std::set<Digest>& open) {
    const auto layout = decode_bundle(text);
    if (!layout) return;
    const std::string repository = where.substr(m_request.remote.host.size() + 1);
    for (const BlobClaim& blob : blobs_of(*layout)) {
      open.erase(blob.digest);
      if (where == origin())
        m_known.likely.insert(blob.digest);
      else
        m_known.elsewhere.emplace(blob.digest, repository);
    }
  }

  // All that is not known to be there, then the manifest.
  Result<void> send_all(RegistryConnection& connection) {
    std::vector<BlobClaim> questions;
    std::vector<const OutgoingBlob*> wanted, unknown;
    for (const OutgoingBlob& blob : m_blobs) {
      if (m_known.here.contains(blob.claim.digest)) continue;
      const bool mountable =
          m_known.elsewhere.contains(blob.claim.digest) && !m_known.likely.contains(blob.claim.digest);
      (mountable ? wanted : unknown).push_back(&blob);
      if (!mountable) questions.push_back(blob.claim);
    }
    MRUN_ASSIGN(const std::vector<bool> there, connection.have_blobs(questions));
    for (std::size_t i = 0; i < unknown.size(); ++i)
      if (!there[i]) wanted.push_back(unknown[i]);
    if (m_request.dry_run) {
      for (const OutgoingBlob* blob : wanted)
        count(blob->claim, !m_known.elsewhere.contains(blob->claim.digest));
      return {};
    }
    std::vector<TransferTask> tasks;
    for (const OutgoingBlob* blob : wanted)
      tasks.push_back({blob->claim.size, [this, blob](RegistryConnection& own, ByteCount& done) {
                         return send(*blob, own, done);
                       }});
    MRUN_TRY(run_transfers(m_registry, std::move(tasks), m_request.transfer));
    MRUN_TRY(connection.put_manifest({m_tag, std::string(k_manifest_media_type), m_manifest}));
    return {};
  }

  Result<void> send(const OutgoingBlob& blob, RegistryConnection& connection, ByteCount& done) {
    const auto push = [&](HttpSource source) -> Result<void> {
      const auto other = m_known.elsewhere.find(blob.claim.digest);
      MRUN_ASSIGN(const bool sent,
                  connection.push_blob({.digest = blob.claim.digest,
                                        .source = std::move(source),
                                        .mount_from = other == m_known.elsewhere.end() ? "" : other->second,
                                        .on_progress = [&](std::uint64_t bytes) {
                                          done.store(bytes, std::memory_order_relaxed);
                                        }}));
      count(blob.claim, sent);
      return {};
    };
    if (blob.text != nullptr) return push(source_of_text(*blob.text));
    if (blob.file != nullptr) {
      BundleFileReader reader(m_store, *blob.file);
      return push(source_of_file(reader));
    }
    MRUN_ASSIGN(const UniqueFd fd, m_store.open_blob(blob.claim.digest));
    Result<void> sent = push(source_of_blob(fd.get(), blob.claim));
    if (!sent && sent.error().code == ErrorCode::registry_reply)
      MRUN_TRY(check_content(fd.get(), blob.claim));
    return sent;
  }

  // A registry that refuses a blob may be right: then it is this store that is damaged. Error store_corrupt.
  static Result<void> check_content(int fd, const BlobClaim& claim) {
    Sha256 hash;
    MRUN_TRY(read_range(fd, 0, claim.size, fmt::format("blob {}", claim.digest.short_hex()),
                        ErrorCode::store_corrupt, [&](std::string_view bytes) -> Result<void> {
                          hash.update(bytes);
                          return {};
                        }));
    if (hash.finish() == claim.digest) return {};
    return fail(ErrorCode::store_corrupt,
                fmt::format("blob {} of this store is damaged", claim.digest.text()),
                "mrun verify --remove, then pack or pull the model again");
  }

  void count(const BlobClaim& blob, bool sent) {
    const std::scoped_lock lock(m_mutex);
    (sent ? m_result.sent_bytes : m_result.mounted_bytes) += blob.size;
  }

  Registry& m_registry;
  const PushRequest& m_request;
  const Store& m_store;
  const std::string m_tag;
  std::string m_manifest;
  std::vector<OutgoingBlob> m_blobs;
  KnownBlobs m_known; // not changed while tasks run
  std::mutex m_mutex; // of m_result, while tasks run
  PushResult m_result;
};

} // namespace

Result<PushResult> push(Registry& registry, const PushRequest& request, const Store& store) {
  return Pushing(registry, request, store).run();
}

} // namespace mrun
