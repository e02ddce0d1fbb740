#include "packager/pack.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "packager/bundle_format.h"
#include "packager/file_select.h"
#include "packager/store_writer.h"

namespace mrun {
namespace fs = std::filesystem;
namespace {

Result<UniqueFd> open_folder(const fs::path& folder) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) return fd;
  if (errno == ENOENT || errno == ENOTDIR)
    return fail(ErrorCode::manifest_missing, fmt::format("{} is no folder", printable(folder.string())));
  return fail_errno(ErrorCode::io, errno, fmt::format("can't open {}", printable(folder.string())));
}

// The manifest's name, nearly: what editors and habits make of it.
std::string_view find_misnamed_manifest(int folder_fd) {
  struct stat status {};
  for (const char* name : {"mrun.yml", "mrun.yaml.txt"})
    if (::fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0) return name;
  return {};
}

Result<std::string> read_manifest_text(int folder_fd, const fs::path& folder) {
  struct stat status {};
  if (::fstatat(folder_fd, "mrun.yaml", &status, AT_SYMLINK_NOFOLLOW) < 0) {
    const std::string_view near = find_misnamed_manifest(folder_fd);
    if (near.empty())
      return fail(ErrorCode::manifest_missing,
                  fmt::format("there is no mrun.yaml in {}", printable(folder.string())));
    return fail(ErrorCode::manifest_missing,
                fmt::format("there is no mrun.yaml in {}, but {}", printable(folder.string()), near),
                fmt::format("rename {} to mrun.yaml", near));
  }
  if (!S_ISREG(status.st_mode))
    return fail(ErrorCode::pack_file_refused, "mrun.yaml is not a regular file",
                "put the file itself into the folder");
  MRUN_ASSIGN(const UniqueFd fd, real_file_system().open(folder_fd, "mrun.yaml", O_RDONLY | O_NONBLOCK, 0));
  return read_all(fd.get(), k_max_manifest_bytes, "mrun.yaml", ErrorCode::manifest_limit);
}

// What the version that the tag shows now holds: an unchanged file is then only read.
Bundle last_bundle(const Store& store, const Reference& tag) {
  const Result<Digest> digest = store.resolve(tag);
  Result<Bundle> bundle = digest ? store.load(*digest) : tl::unexpected<Error>(digest.error());
  return bundle ? std::move(*bundle) : Bundle{};
}

std::optional<Digest> last_digest(const Bundle& last, const SelectedFile& file) {
  const BundleFile* old = last.find(file.path.text());
  if (old == nullptr || old->size != file.size || old->segments.size() != 1) return std::nullopt;
  return old->segments[0].blob;
}

class Packing {
 public:
  Packing(Store::Writer& writer, int folder_fd, const PackOptions& options)
      : m_writer(writer),
        m_folder(folder_fd),
        m_options(options) {}

  Result<void> add_files(const std::vector<SelectedFile>& selected, const Bundle& last) {
    for (const SelectedFile& file : selected)
      m_total_bytes += file.size;
    for (const SelectedFile& file : selected)
      MRUN_TRY(add_one(file, last_digest(last, file)));
    return {};
  }

  // mrun.yaml in the bundle is the text that was parsed, even if the file has changed since.
  Result<void> check_manifest_text(const std::string& text) const {
    const auto same = [](const BundleFile& file) { return file.path.text() == k_bundle_manifest_name; };
    const auto found = std::find_if(m_files.begin(), m_files.end(), same);
    if (found == m_files.end() || found->segments[0].blob != Sha256::of(text))
      return fail(ErrorCode::pack_file_changed, "mrun.yaml changed while it was packed");
    return {};
  }

  Result<Digest> add_bundle(const Manifest& manifest) {
    MRUN_TRY(check_files(m_files));
    MRUN_ASSIGN(const AddedBlob config, m_writer.add_bytes(encode_config(manifest, m_files)));
    const std::string text = encode_bundle(m_files, {config.digest, config.size});
    if (text.size() > k_max_oci_manifest_bytes)
      return fail(ErrorCode::manifest_limit,
                  fmt::format("the bundle's manifest has {}, at most {} are allowed",
                              format_bytes(text.size()), format_bytes(k_max_oci_manifest_bytes)),
                  "pack fewer files, or shorter names");
    MRUN_ASSIGN(const AddedBlob bundle, m_writer.add_bytes(text));
    for (const AddedBlob* blob : {&config, &bundle})
      m_new_bytes += blob->is_new ? blob->size : 0;
    return bundle.digest;
  }

  std::uint64_t new_bytes() const { return m_new_bytes; }
  std::uint64_t size_bytes() const { return m_done_bytes; }
  std::size_t file_count() const { return m_files.size(); }

 private:
  Result<void> add_one(const SelectedFile& file, const std::optional<Digest>& expected) {
    MRUN_ASSIGN(const UniqueFd fd, open_selected(m_folder, file.path));
    struct stat status {};
    MRUN_CHECK(::fstat(fd.get(), &status) == 0);
    Store::Writer::Progress progress;
    if (m_options.on_progress)
      progress = [&](std::uint64_t done) {
        m_options.on_progress({file.path.text(), m_done_bytes + done, m_total_bytes});
      };
    MRUN_ASSIGN(const AddedBlob added, m_writer.add_file(fd.get(), file.path.text(), expected, progress));
    m_done_bytes += added.size;
    m_new_bytes += added.is_new ? added.size : 0;
    m_files.push_back({file.path,
                       (status.st_mode & 0100) != 0 ? 0755U : 0644U,
                       added.size,
                       {{added.digest, 0, added.size}}});
    return {};
  }

  Store::Writer& m_writer;
  int m_folder;
  const PackOptions& m_options;
  std::vector<BundleFile> m_files;
  std::uint64_t m_total_bytes = 0;
  std::uint64_t m_done_bytes = 0;
  std::uint64_t m_new_bytes = 0;
};

} // namespace

Result<PackResult> pack_directory(Store& store, const fs::path& folder, const PackOptions& options) {
  MRUN_ASSIGN(const UniqueFd folder_fd, open_folder(folder));
  MRUN_ASSIGN(const std::string text, read_manifest_text(folder_fd.get(), folder));
  MRUN_ASSIGN(const Manifest manifest, parse_manifest(text, "mrun.yaml"));
  MRUN_ASSIGN(const std::vector<SelectedFile> selected, select_files(folder_fd.get(), manifest.files));
  Reference tag;
  if (options.tag) {
    tag = *options.tag;
  } else {
    MRUN_ASSIGN(tag, Reference::parse(manifest.name));
  }
  if (!tag.has_name() || tag.digest || !tag.digest_prefix.empty())
    return fail(ErrorCode::reference_invalid, fmt::format("`{}` names no tag", tag.text()),
                "write it as owner/name:tag");
  MRUN_ASSIGN(const std::unique_ptr<Store::Writer> writer, store.begin_write());
  Packing packing(*writer, folder_fd.get(), options);
  MRUN_TRY(packing.add_files(selected, last_bundle(store, tag)));
  MRUN_TRY(packing.check_manifest_text(text));
  PackResult result;
  MRUN_ASSIGN(result.digest, packing.add_bundle(manifest));
  result.size_bytes = packing.size_bytes();
  result.new_bytes = packing.new_bytes();
  result.file_count = packing.file_count();
  const VersionFacts facts{result.size_bytes, manifest.engine};
  if (options.untagged) {
    MRUN_TRY(writer->keep(manifest.name, result.digest, facts, k_lease_lifetime));
    return result;
  }
  MRUN_TRY(writer->tag(tag, result.digest, facts));
  result.reference = tag;
  result.reference.tag = tag.tag_or_default();
  return result;
}

} // namespace mrun
