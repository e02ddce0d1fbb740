#include "packager/store_verify.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "common/text.h"
#include "packager/job_pool.h"
#include "packager/manifest_links.h"
#include "packager/sha256.h"

namespace mrun {
namespace {

// A blob that is looked at.
struct Need {
  std::optional<std::uint64_t> size; // as the versions claim; unknown of a manifest and of what nobody needs
  std::uint64_t size_on_disk = 0;    // 0 while it is not there
  std::vector<Digest> versions;
  bool is_attached = true; // while nothing but a signature needs it
};

class Verification {
 public:
  Verification(const Store& store, const VerifyOptions& options) : m_store(store), m_options(options) {}

  Result<VerifyReport> run(const std::vector<Digest>& versions) {
    for (const Digest& version : versions)
      collect({version, std::nullopt}, {version, false}, 0);
    if (m_options.everything) {
      MRUN_TRY(collect_others(versions));
      MRUN_TRY(collect_rest());
    }
    MRUN_TRY(hash_all());
    for (const Digest& version : versions)
      check_version(version);
    std::ranges::sort(m_report.problems, {}, &BlobProblem::blob);
    return std::move(m_report);
  }

 private:
  // Who needs what is collected.
  struct Owner {
    Digest version;
    bool attached; // it is a signature of that
  };

  void add_need(const ManifestLink& link, const Owner& owner) {
    Need& need = m_needs[link.digest];
    if (need.versions.empty() || need.versions.back() != owner.version)
      need.versions.push_back(owner.version);
    need.is_attached &= owner.attached;
    if (!link.size) return;
    if (need.size && *need.size != *link.size)
      report(link.digest, BlobFault::size,
             fmt::format("is said to have {} and {} bytes", *need.size, *link.size), need);
    need.size = link.size;
  }

  // What can't be read here is found when it is hashed, what is no manifest by check_version().
  void collect(const ManifestLink& manifest, const Owner& owner, int depth) {
    if (!m_collected.emplace(manifest.digest, owner.version).second) return;
    add_need(manifest, owner);
    const Result<std::string> text = m_store.read_blob(manifest.digest, k_max_oci_manifest_bytes);
    const auto links = text ? manifest_links(*text, manifest.digest) : tl::unexpected<Error>(text.error());
    if (!links) return;
    for (const ManifestLink& link : links->blobs)
      add_need(link, owner);
    for (const ManifestLink& link : links->manifests)
      if (depth < k_max_index_depth) collect(link, owner, depth + 1);
  }

  // A signature of a version that is gone is for gc.
  Result<void> collect_others(const std::vector<Digest>& versions) {
    MRUN_ASSIGN(const std::vector<OtherManifest> others, m_store.others());
    for (const OtherManifest& other : others)
      if (!other.subject)
        collect({other.digest, std::nullopt}, {other.digest, false}, 0);
      else if (std::ranges::find(versions, *other.subject) != versions.end())
        collect({other.digest, std::nullopt}, {*other.subject, true}, 0);
    return {};
  }

  Result<void> collect_rest() {
    MRUN_ASSIGN(const std::vector<std::string> names, real_file_system().list(m_store.blobs_dir_fd()));
    for (const std::string& name : names)
      if (const Result<Digest> digest = Digest::parse_hex(name)) m_needs[*digest];
    return {};
  }

  // The largest first, so that no core waits for it at the end.
  Result<void> hash_all() {
    std::vector<std::pair<const Digest, Need>*> order;
    for (auto& entry : m_needs) {
      struct stat status {};
      if (::fstatat(m_store.blobs_dir_fd(), entry.first.hex().c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
        entry.second.size_on_disk = static_cast<std::uint64_t>(status.st_size);
      m_progress.total_bytes += entry.second.size_on_disk;
      order.push_back(&entry);
    }
    std::ranges::stable_sort(order, std::greater<>(),
                             [](const auto* entry) { return entry->second.size_on_disk; });
    JobPool pool;
    for (const auto* entry : order)
      pool.add([this, entry] { return hash_one(entry->first, entry->second); });
    return pool.run();
  }

  Result<void> hash_one(const Digest& digest, const Need& need) {
    const UniqueFd fd(::openat(m_store.blobs_dir_fd(), digest.hex().c_str(),
                               O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd && errno == ENOENT && need.versions.empty()) return {}; // gc took it meanwhile
    {
      const std::scoped_lock lock(m_mutex);
      ++m_report.blobs;
    }
    if (!fd && errno == ENOENT) return found(digest, BlobFault::missing, "is missing", need);
    if (!fd)
      return found(digest, BlobFault::unreadable, fmt::format("can't be opened: {}", std::strerror(errno)),
                   need);
    const Result<std::uint64_t> size = file_size(fd.get(), "it");
    if (!size) return found(digest, BlobFault::unreadable, "is no regular file", need);
    if (need.size && *size != *need.size)
      return found(digest, BlobFault::size, fmt::format("has {} bytes, it must have {}", *size, *need.size),
                   need);
    return hash_content(digest, fd.get(), *size, need);
  }

  Result<void> hash_content(const Digest& digest, int fd, std::uint64_t size, const Need& need) {
    Sha256 hash;
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    const Result<void> read =
        read_range(fd, 0, size, "it", ErrorCode::store_corrupt, [&](std::string_view bytes) -> Result<void> {
          hash.update(bytes);
          return step(bytes.size());
        });
    if (!read && read.error().code == ErrorCode::interrupted_by_user) return read;
    if (!read) return found(digest, BlobFault::unreadable, read.error().message, need);
    if (const Digest content = hash.finish(); content != digest)
      return found(digest, BlobFault::content, fmt::format("has the content of {}", content.short_hex()),
                   need);
    return {};
  }

  Result<void> step(std::size_t bytes) {
    const std::scoped_lock lock(m_mutex);
    m_report.hashed_bytes += bytes;
    m_progress.done_bytes += bytes;
    if (m_options.on_progress) m_options.on_progress(m_progress);
    if (m_options.is_stopped && m_options.is_stopped())
      return fail(ErrorCode::interrupted_by_user, "interrupted: not everything was looked at",
                  "repeat the command: it begins anew");
    return {};
  }

  // The content of each blob is known by now.
  void check_version(const Digest& version) {
    if (m_report.is_damaged(version)) return;
    if (const Result<Bundle> bundle = m_store.load(version); !bundle)
      report(version, BlobFault::invalid, bundle.error().message, {{}, 0, {version}, false});
  }

  Result<void> found(const Digest& blob, BlobFault fault, std::string words, const Need& need) {
    report(blob, fault, std::move(words), need);
    return {};
  }
  void report(const Digest& blob, BlobFault fault, std::string words, const Need& need) {
    const std::scoped_lock lock(m_mutex);
    m_report.problems.push_back(
        {blob, fault, std::move(words), need.versions, need.is_attached && !need.versions.empty()});
  }

  const Store& m_store;
  const VerifyOptions& m_options;
  std::set<std::pair<Digest, Digest>>
      m_collected;                // manifests, each with who needs it: indexes may name one often
  std::map<Digest, Need> m_needs; // not changed while jobs run
  std::mutex m_mutex;             // of what follows
  VerifyProgress m_progress;
  VerifyReport m_report;
};

} // namespace

std::string_view blob_fault_name(BlobFault fault) {
  switch (fault) {
  case BlobFault::missing:
    return "missing";
  case BlobFault::size:
    return "size";
  case BlobFault::content:
    return "content";
  case BlobFault::unreadable:
    return "unreadable";
  case BlobFault::invalid:
    return "invalid";
  }
  invariant_broken("every fault has a name", __FILE__, __LINE__);
}

bool VerifyReport::is_damaged(const Digest& version) const {
  return std::ranges::any_of(problems, [&](const BlobProblem& problem) {
    return std::ranges::find(problem.versions, version) != problem.versions.end();
  });
}

Result<VerifyReport> verify_versions(const Store& store, const std::vector<Digest>& versions,
                                     const VerifyOptions& options) {
  return Verification(store, options).run(versions);
}

} // namespace mrun
