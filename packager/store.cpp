#include "packager/store.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "packager/bundle_format.h"
#include "packager/store_files.h"
#include "packager/store_writer.h"

namespace mrun {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view k_layout = R"({"imageLayoutVersion":"1.0.0"})";

Result<UniqueFd> open_folder(int at, const char* path) {
  UniqueFd fd(::openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno(ErrorCode::io, errno, fmt::format("can't open the store's folder {}", path));
  return fd;
}

bool exists(int dir_fd, const char* name) {
  return ::faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<void> make_root(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder.parent_path(), error);
  if (!error && ::mkdir(folder.c_str(), 0700) < 0 && errno != EEXIST)
    error = {errno, std::generic_category()};
  if (error)
    return fail_errno(ErrorCode::store_read_only, error.value(),
                      fmt::format("can't make the store {}", folder.string()));
  return {};
}

Result<void> check_layout(FileSystem& file_system, int root, const fs::path& folder) {
  MRUN_ASSIGN(const UniqueFd fd, file_system.open(root, "oci-layout", O_RDONLY, 0));
  MRUN_ASSIGN(const std::string text, read_all(fd.get(), 4 * k_kib, "oci-layout", ErrorCode::store_corrupt));
  MRUN_ASSIGN(const Json layout,
              parse_json(text, ErrorCode::store_corrupt, (folder / "oci-layout").string()));
  if (!layout.is_object() || layout.value("imageLayoutVersion", Json()) != "1.0.0")
    return fail(ErrorCode::store_corrupt, fmt::format("{} is no OCI image layout 1.0.0", folder.string()),
                "move the folder away, or set MRUN_HOME to another");
  return {};
}

} // namespace

const BundleFile* Bundle::find(std::string_view path) const {
  const auto found =
      std::lower_bound(files.begin(), files.end(), path, [](const BundleFile& file, std::string_view wanted) {
        return file.path.text() < wanted;
      });
  return found != files.end() && found->path.text() == path ? &*found : nullptr;
}

std::string TagEntry::name() const {
  return tag.empty() ? fmt::format("{}@{}", model, digest.text()) : fmt::format("{}:{}", model, tag);
}

std::vector<TagEntry> shown_names(const std::vector<TagEntry>& entries) {
  std::set<std::pair<std::string_view, Digest>> tagged;
  for (const TagEntry& entry : entries)
    if (!entry.tag.empty()) tagged.emplace(entry.model, entry.digest);
  std::vector<TagEntry> shown;
  for (const TagEntry& entry : entries)
    if (!entry.tag.empty() || (entry.is_kept && !tagged.contains({entry.model, entry.digest})))
      shown.push_back(entry);
  return shown;
}

VersionFacts facts_of(const Bundle& bundle) {
  return {bundle.size_bytes, bundle.manifest.engine};
}

Store::Store(std::unique_ptr<Impl> impl) : m_impl(std::move(impl)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::open(const fs::path& folder, bool read_only, FileSystem& file_system,
                          const Clock& clock) {
  auto impl = std::make_unique<Impl>(folder, file_system, clock);
  impl->read_only = read_only;
  const bool absent = ::access(folder.c_str(), F_OK) != 0;
  if (absent && read_only)
    return fail(ErrorCode::model_not_found, fmt::format("there is no store at {} yet", folder.string()),
                "pack a model with `mrun pack DIR`");
  if (absent) MRUN_TRY(make_root(folder));
  MRUN_ASSIGN(impl->root, open_folder(AT_FDCWD, folder.c_str()));
  const int root = impl->root.get();
  if (!read_only) {
    for (const char* name : {"blobs", "blobs/sha256", "tmp", "leases", "trusted"})
      if (!exists(root, name)) MRUN_TRY(file_system.make_dir(root, name, 0755));
    MRUN_ASSIGN(impl->tmp, open_folder(root, "tmp"));
    if (!exists(root, "index.json") || !exists(root, "oci-layout")) MRUN_TRY(impl->create_layout());
  }
  if (!exists(root, "oci-layout"))
    return fail(ErrorCode::store_corrupt,
                fmt::format("{} is no store: it has no oci-layout", folder.string()),
                "pack a model with `mrun pack DIR`");
  MRUN_TRY(check_layout(file_system, root, folder));
  MRUN_ASSIGN(impl->blobs, open_folder(root, "blobs/sha256"));
  return Store(std::move(impl));
}

// Under the index lock, so that two first writers do not replace each other's tags, and as any writer, so
// that nobody takes their temporary files for leftovers.
Result<void> Store::Impl::create_layout() {
  MRUN_ASSIGN(const FileLock writing,
              FileLock::take(file_system, root.get(), "lock", FileLock::Kind::shared, k_lock_patience));
  MRUN_ASSIGN(const FileLock lock, FileLock::take(file_system, root.get(), "index.lock",
                                                  FileLock::Kind::exclusive, k_lock_patience));
  if (!exists(root.get(), "index.json"))
    MRUN_TRY(write_file(root.get(), "", "index.json", StoreIndex().encode(), 0644));
  if (!exists(root.get(), "oci-layout")) MRUN_TRY(write_file(root.get(), "", "oci-layout", k_layout, 0644));
  return {};
}

int Store::blobs_dir_fd() const {
  return m_impl->blobs.get();
}

Result<std::vector<TagEntry>> Store::list() const {
  MRUN_ASSIGN(const std::shared_ptr<const StoreIndex> index, m_impl->read_index());
  std::vector<TagEntry> out;
  out.reserve(index->entries.size());
  for (const IndexEntry& entry : index->entries)
    if (!entry.model.empty())
      out.push_back({entry.model, entry.tag, entry.digest, entry.size_bytes, entry.created_ns, entry.engine,
                     entry.origin, entry.source, entry.is_kept});
  return out;
}

Result<std::vector<Digest>> Store::attached(const Digest& version) const {
  MRUN_ASSIGN(const std::shared_ptr<const StoreIndex> index, m_impl->read_index());
  std::vector<Digest> out;
  for (const IndexEntry& entry : index->entries)
    if (entry.subject == version) out.push_back(entry.digest);
  return out;
}

Result<std::vector<OtherManifest>> Store::others() const {
  MRUN_ASSIGN(const std::shared_ptr<const StoreIndex> index, m_impl->read_index());
  std::vector<OtherManifest> out;
  for (const IndexEntry& entry : index->entries)
    if (entry.model.empty()) out.push_back({entry.digest, entry.subject});
  return out;
}

Result<void> Store::tag(const Reference& reference, const Digest& digest) {
  if (!reference.has_name() || reference.digest || !reference.digest_prefix.empty())
    return fail(ErrorCode::reference_invalid, fmt::format("`{}` names no tag", reference.text()),
                "write it as owner/name:tag");
  MRUN_ASSIGN(const Bundle bundle, load(digest));
  MRUN_ASSIGN(const std::unique_ptr<Writer> writer, begin_write());
  MRUN_ASSIGN(const std::shared_ptr<const StoreIndex> index, m_impl->read_index());
  const IndexEntry* kept = index->find_kept(reference.model(), digest);
  if (kept == nullptr) return writer->tag(reference, digest, facts_of(bundle));
  return writer->tag(reference, digest, facts_of(bundle), {kept->origin, kept->source});
}

Result<void> Store::untag(const Reference& reference) {
  if (!reference.has_name() || (!reference.digest && !reference.digest_prefix.empty()))
    return fail(ErrorCode::reference_invalid, fmt::format("`{}` names no tag", reference.text()),
                "write it as owner/name:tag");
  MRUN_ASSIGN(const std::unique_ptr<Writer> writer, begin_write()); // gc waits for its temporary file
  return m_impl->change_index([&](StoreIndex& index) -> Result<bool> {
    const std::string model = reference.model();
    const IndexEntry* found = reference.digest ? index.find_kept(model, *reference.digest)
                                               : index.find_tag(model, reference.tag_or_default());
    if (found == nullptr)
      return fail(ErrorCode::model_not_found, fmt::format("there is no {}", reference.text()));
    const Digest digest = found->digest;
    index.entries.erase(index.entries.begin() + (found - index.entries.data()));
    const bool has_tag = std::ranges::any_of(index.entries, [&](const IndexEntry& entry) {
      return entry.model == model && entry.digest == digest && !entry.tag.empty();
    });
    if (const IndexEntry* kept = has_tag ? nullptr : index.find_kept(model, digest))
      index.entries.erase(index.entries.begin() + (kept - index.entries.data()));
    return true;
  });
}

Result<void> Store::lease(const Digest& digest, std::chrono::seconds lifetime) {
  MRUN_ASSIGN(const std::unique_ptr<Writer> writer, begin_write()); // gc does not run now
  MRUN_ASSIGN(const UniqueFd manifest, open_blob(digest));
  return m_impl->write_leases({digest}, lifetime);
}

bool Store::is_trusted(const Digest& version) const {
  return exists(m_impl->root.get(), ("trusted/" + version.hex()).c_str());
}

Result<void> Store::trust(const Digest& version) {
  MRUN_ASSIGN(const std::unique_ptr<Writer> writer, begin_write()); // gc does not run now
  MRUN_ASSIGN(const UniqueFd manifest, open_blob(version));
  return writer->trust(version);
}

Result<void> Store::Writer::trust(const Digest& version) {
  if (exists(m_store.root.get(), ("trusted/" + version.hex()).c_str())) return {};
  MRUN_ASSIGN(const UniqueFd folder, open_folder(m_store.root.get(), "trusted"));
  return m_store.write_file(folder.get(), "trusted", version.hex(), "", 0644);
}

// leases/<hex> holds the end as nanoseconds since 1970; a lease never becomes shorter.
Result<void> Store::Impl::write_leases(const std::set<Digest>& digests, std::chrono::seconds lifetime) {
  if (digests.empty()) return {};
  const std::int64_t end_ns = clock.wall_ns() + std::chrono::nanoseconds(lifetime).count();
  MRUN_ASSIGN(const auto leases, read_leases());
  std::set<Digest> wanted = digests;
  for (const auto& [leased, old_end_ns] : leases)
    if (old_end_ns >= end_ns) wanted.erase(leased);
  MRUN_ASSIGN(const UniqueFd folder, open_folder(root.get(), "leases"));
  for (const Digest& digest : wanted)
    MRUN_TRY(write_file(folder.get(), "leases", digest.hex(), std::to_string(end_ns) + "\n", 0644));
  return {};
}

} // namespace mrun
