#include "packager/pack.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "packager/bundle_add.h"
#include "packager/bundle_format.h"
#include "packager/consent.h"
#include "packager/file_packer.h"
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

// mrun.yaml in the bundle is the text that was parsed, even if the file has changed since.
Result<void> settle_manifest(Store::Writer& writer, const std::string& text, PackedFiles& packed) {
  const auto same = [](const BundleFile& file) { return file.path.text() == k_bundle_manifest_name; };
  const auto found = std::find_if(packed.parts.files.begin(), packed.parts.files.end(), same);
  if (found != packed.parts.files.end()) {
    if (found->segments[0].blob == Sha256::of(text)) return {};
    return fail(ErrorCode::pack_file_changed, "mrun.yaml changed while it was packed");
  }
  MRUN_ASSIGN(SafePath path, SafePath::parse(k_bundle_manifest_name));
  MRUN_ASSIGN(const AddedBlob added, writer.add_bytes(text));
  packed.size_bytes += added.size;
  packed.new_bytes += added.is_new ? added.size : 0;
  packed.parts.files.push_back({std::move(path), 0644, added.size, {{added.digest, 0, added.size}}});
  return {};
}

} // namespace

Result<PackResult> pack_directory(Store& store, const fs::path& folder, const PackOptions& options) {
  MRUN_ASSIGN(const UniqueFd folder_fd, open_folder(folder));
  MRUN_ASSIGN(const std::string text, read_manifest_text(folder_fd.get(), folder));
  MRUN_ASSIGN(const Manifest manifest, parse_manifest(text, "mrun.yaml"));
  MRUN_ASSIGN(const std::vector<SelectedFile> selected, select_files(folder_fd.get(), manifest.files));
  if (options.check) MRUN_TRY(options.check(manifest, folder));
  return pack_selected(store, folder_fd.get(), selected, text, options);
}

Result<PackResult> pack_selected(Store& store, int folder_fd, const std::vector<SelectedFile>& selected,
                                 const std::string& text, const PackOptions& options) {
  MRUN_ASSIGN(const Manifest manifest, parse_manifest(text, "mrun.yaml"));
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
  PackCache cache(options.notes, folder_fd);
  MRUN_ASSIGN(PackedFiles packed, pack_files(*writer, folder_fd, selected, cache, options.on_progress));
  MRUN_TRY(settle_manifest(*writer, text, packed));
  PackResult result;
  result.size_bytes = packed.size_bytes;
  result.new_bytes = packed.new_bytes;
  result.file_count = packed.parts.files.size();
  MRUN_ASSIGN(result.digest, add_bundle(*writer, manifest, std::move(packed.parts), result.new_bytes));
  if (runs_own_code(manifest)) MRUN_TRY(writer->trust(result.digest));
  const VersionFacts facts{result.size_bytes, manifest.engine};
  if (options.untagged) {
    MRUN_TRY(writer->keep(manifest.name, result.digest, facts, k_lease_lifetime));
    cache.save();
    return result;
  }
  MRUN_TRY(writer->tag(tag, result.digest, facts));
  cache.save();
  result.reference = tag;
  result.reference.tag = tag.tag_or_default();
  return result;
}

} // namespace mrun
