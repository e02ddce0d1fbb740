// The store: a valid OCI image layout (docs/formats/store.md). CLI and daemon use it alike.
//
// Blobs are immutable once visible: written to tmp/, hashed in the same pass, fsynced, renamed, folder
// fsynced. index.json (tags) changes under an exclusive lock by write + rename. Writers hold a shared flock
// on `lock`; gc holds it alone. A crash at any point leaves a valid store plus leftovers that gc removes.
// Reading needs no lock and works on a read-only store. A Store may be used from several threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/fd.h"
#include "common/fs.h"
#include "common/safe_path.h"
#include "packager/manifest.h"
#include "packager/reference.h"

namespace mrun {

// A blob that a manifest names, with the size that it claims.
struct BlobClaim {
  Digest digest;
  std::uint64_t size = 0;
};

// A stretch of a file that lies in one blob. A file is the concatenation of its segments.
struct Segment {
  Digest blob;
  std::uint64_t offset = 0; // inside the blob
  std::uint64_t length = 0;

  bool operator==(const Segment&) const = default;
};

struct BundleFile {
  SafePath path;
  unsigned mode = 0644; // or 0755
  std::uint64_t size = 0;
  std::vector<Segment> segments;
  bool is_grouped = false; // it shares its blob with other files, though it may begin there
};

struct Bundle {
  Digest digest; // of the OCI manifest: the version id
  Manifest manifest;
  std::vector<BundleFile> files; // sorted by path; mrun.yaml included
  std::uint64_t size_bytes = 0;  // of all files

  const BundleFile* find(std::string_view path) const;
};

// What the index keeps of a version, so that a list needs no bundle.
struct VersionFacts {
  std::uint64_t size_bytes = 0; // of all files
  std::string engine;
};
VersionFacts facts_of(const Bundle& bundle);

struct TagEntry {
  std::string model; // owner/name
  std::string tag;   // "" when the version has no tag (a lease keeps it, or is_kept)
  Digest digest;
  std::uint64_t size_bytes = 0;
  std::int64_t created_ns = 0; // wall clock of the tag on this machine
  std::string engine;          // that runs it: torch, …
  std::string origin;          // host/repository that it was pulled from; "" when packed here
  std::string source;          // digest of the other tool's manifest that it was made of; "" for a bundle
  bool is_kept = false;        // without a tag, until it is removed: the user asked for this very version

  std::string name() const; // owner/name:tag, or owner/name@sha256:…
};
// Of what Store::list() gives, what a user sees: the tags, and what is kept without one, unless a tag of its
// model means the same version.
std::vector<TagEntry> shown_names(const std::vector<TagEntry>& entries);

// Where a version came from, as the index keeps it.
struct Provenance {
  std::string origin = {};
  std::string source = {};
};

// A manifest of the index that is no version: a signature, or another tool's without a name.
struct OtherManifest {
  Digest digest;
  std::optional<Digest> subject; // the version that it belongs to
};

// With `all`, what is kept for a day goes at once: leases, and what interrupted pulls would go on with.
enum class GcReach { ended, all };
struct GcPlan {
  std::vector<Digest> blobs;    // unreferenced
  std::uint64_t size_bytes = 0; // of both
  std::size_t leftovers = 0;    // temporary files of interrupted writers
};

class Store {
 public:
  // Opens (and, unless `read_only`, creates) the store. Errors: store_corrupt, store_read_only, disk_full,
  // io.
  static Result<Store> open(const std::filesystem::path& folder, bool read_only = false,
                            FileSystem& file_system = real_file_system(),
                            const Clock& clock = system_clock());
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  // All tags, sorted by model then tag. Fast: reads index.json only (1,000 entries in milliseconds).
  Result<std::vector<TagEntry>> list() const;
  // What the index names besides.
  Result<std::vector<OtherManifest>> others() const;
  // The version that a reference means here. Errors: model_not_found (nearest name in the hint),
  // digest_ambiguous.
  Result<Digest> resolve(const Reference& reference) const;
  // Reads and checks manifest, config and mrun.yaml. Errors: model_not_found, store_corrupt, bundle_invalid.
  Result<Bundle> load(const Digest& digest) const;
  // Reads a small blob whole (at most `limit` bytes) and verifies its digest.
  Result<std::string> read_blob(const Digest& digest, std::size_t limit) const;
  Result<UniqueFd> open_blob(const Digest& digest) const;
  // Whether the owner of this store lets the version run code of its own (packager/consent.h).
  bool is_trusted(const Digest& version) const;
  // Manifests that were attached to a version (signatures), by digest. Their content is a stranger's.
  Result<std::vector<Digest>> attached(const Digest& version) const;
  // Whether a blob of this digest and size is there; its content was hashed when it came.
  bool has_blob(const Digest& digest, std::uint64_t size) const;
  // What an interrupted download left of a blob, at most its size: so much need not be fetched again.
  std::uint64_t partial_bytes(const Digest& digest, std::uint64_t size) const;
  // blobs/sha256 as a directory descriptor, for workers.
  int blobs_dir_fd() const;

  // Moves the tag if it exists. Of what was kept without a tag under this model it is known where it came
  // from.
  Result<void> tag(const Reference& reference, const Digest& digest);
  // Takes away a tag, or by model@sha256:… what keeps that version without one; with its last tag a version
  // of this model isn't kept any more, either. Error model_not_found.
  Result<void> untag(const Reference& reference);
  // Keeps a version from gc until the lease ends, without a tag.
  Result<void> lease(const Digest& digest, std::chrono::seconds lifetime);
  // Remembered until the version is gone.
  Result<void> trust(const Digest& version);
  Result<GcPlan> plan_gc(GcReach reach = GcReach::ended) const;
  Result<GcPlan> collect_garbage(GcReach reach = GcReach::ended); // what it removed
  // Removes damaged blobs, so that pack and pull bring them again: one of the right size counts as there.
  // Each is hashed again first, while nobody writes; returns what it removed.
  Result<std::vector<Digest>> discard(const std::vector<Digest>& blobs);

  // ---- for writers (pack, pull) --------------------------------------------------------------------------
  class Writer; // holds the shared lock; see packager/store_writer.h
  Result<std::unique_ptr<Writer>> begin_write();

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> m_impl;
};

} // namespace mrun
