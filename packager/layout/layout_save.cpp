#include "packager/layout/layout_save.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "packager/bundle_format.h"
#include "packager/layout/layout_names.h"
#include "packager/sha256.h"

namespace mrun {
namespace {

// Sizes by digest of all that the versions need, manifests included.
Result<std::map<Digest, std::uint64_t>> needed_blobs(const Store& store,
                                                     const std::vector<SavedVersion>& versions) {
  std::map<Digest, std::uint64_t> blobs;
  for (const SavedVersion& version : versions) {
    MRUN_TRY(store.load(version.digest)); // it is whole, by size
    MRUN_ASSIGN(const std::string text, store.read_blob(version.digest, k_max_oci_manifest_bytes));
    MRUN_ASSIGN(const BundleLayout layout, decode_bundle(text));
    blobs[version.digest] = text.size();
    for (const BlobClaim& claim : blobs_of(layout))
      blobs[claim.digest] = claim.size;
  }
  return blobs;
}

std::string index_text(std::vector<SavedVersion> versions, const std::map<Digest, std::uint64_t>& blobs) {
  const auto key = [](const SavedVersion& version) { return std::pair(version.name, version.digest); };
  std::ranges::sort(versions, {}, key);
  const auto same = std::ranges::unique(versions, {}, key);
  versions.erase(same.begin(), same.end());
  Json manifests = Json::array();
  for (const SavedVersion& version : versions) {
    Json entry = {{"artifactType", k_artifact_type},
                  {"mediaType", k_manifest_media_type},
                  {"digest", version.digest.text()},
                  {"size", blobs.at(version.digest)}};
    if (!version.name.empty()) entry["annotations"] = {{k_ref_name_annotation, version.name}};
    manifests.push_back(std::move(entry));
  }
  return canonical_json(
      {{"schemaVersion", 2}, {"mediaType", k_index_media_type}, {"manifests", std::move(manifests)}});
}

Result<void> add_text(ArchiveWriter& archive, std::string_view name, std::string_view text) {
  MRUN_TRY(archive.begin_file(std::string(name), text.size()));
  return archive.write(text);
}

Result<void> add_blob(ArchiveWriter& archive, const Store& store, const Digest& digest, std::uint64_t size,
                      const std::function<Result<void>(std::size_t)>& step) {
  MRUN_ASSIGN(const UniqueFd fd, store.open_blob(digest));
  MRUN_TRY(archive.begin_file(std::string(k_blobs_prefix) + digest.hex(), size));
  Sha256 hash;
  const auto pass_on = [&](std::string_view bytes) -> Result<void> {
    hash.update(bytes);
    MRUN_TRY(archive.write(bytes));
    return step(bytes.size());
  };
  MRUN_TRY(read_range(fd.get(), 0, size, fmt::format("blob {}", digest.text()), ErrorCode::store_corrupt,
                      pass_on));
  if (hash.finish() != digest)
    return fail(ErrorCode::store_corrupt, fmt::format("blob {} is damaged", digest.text()),
                "see `mrun verify`");
  return {};
}

} // namespace

Result<SaveResult> save_layout(const Store& store, const std::vector<SavedVersion>& versions,
                               ArchiveSink sink, const SaveOptions& options) {
  MRUN_ASSIGN(const auto blobs, needed_blobs(store, versions));
  SaveResult result{.blobs = blobs.size(), .blob_bytes = 0};
  for (const auto& [digest, size] : blobs)
    result.blob_bytes += size;
  std::uint64_t done = 0;
  const auto step = [&](std::size_t bytes) -> Result<void> {
    done += bytes;
    if (options.on_progress) options.on_progress(done, result.blob_bytes);
    if (options.is_stopped && options.is_stopped())
      return fail(ErrorCode::interrupted_by_user, "interrupted: nothing was saved", "repeat the command");
    return {};
  };
  MRUN_ASSIGN(ArchiveWriter archive, ArchiveWriter::open(std::move(sink)));
  MRUN_TRY(archive.add_folder("blobs/"));
  MRUN_TRY(archive.add_folder(std::string(k_blobs_prefix)));
  for (const auto& [digest, size] : blobs)
    MRUN_TRY(add_blob(archive, store, digest, size, step));
  MRUN_TRY(add_text(archive, k_index_name, index_text(versions, blobs)));
  MRUN_TRY(add_text(archive, k_layout_name, k_layout_text));
  MRUN_TRY(archive.finish());
  return result;
}

} // namespace mrun
