#include "packager/layout/layout_save.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "packager/bundle_format.h"
#include "packager/layout/layout_names.h"
#include "packager/sha256.h"
#include "packager/signing/kept_signatures.h"

namespace mrun {
namespace {

struct Needed {
  std::map<Digest, std::uint64_t> blobs; // sizes of all that goes, manifests included
  std::set<Digest> signatures;           // the manifests among them that are signatures
};

Result<void> add_signatures(const Store& store, const Digest& version, Needed& needed) {
  MRUN_ASSIGN(const std::vector<SignatureArtifact> signatures, kept_signatures(store, version));
  for (const SignatureArtifact& signature : signatures) {
    for (const std::string_view bytes :
         {k_empty_blob, std::string_view(signature.bundle), std::string_view(signature.manifest)})
      needed.blobs[Sha256::of(bytes)] = bytes.size();
    needed.signatures.insert(Sha256::of(signature.manifest));
  }
  return {};
}

Result<Needed> what_is_needed(const Store& store, const std::vector<SavedVersion>& versions) {
  Needed needed;
  for (const SavedVersion& version : versions) {
    MRUN_TRY(store.load(version.digest)); // it is whole, by size
    MRUN_ASSIGN(const std::string text, store.read_blob(version.digest, k_max_oci_manifest_bytes));
    MRUN_ASSIGN(const BundleLayout layout, decode_bundle(text));
    needed.blobs[version.digest] = text.size();
    for (const BlobClaim& claim : blobs_of(layout))
      needed.blobs[claim.digest] = claim.size;
    MRUN_TRY(add_signatures(store, version.digest, needed));
  }
  return needed;
}

Json index_entry(std::string_view artifact_type, const Digest& digest, const Needed& needed) {
  return {{"artifactType", artifact_type},
          {"mediaType", k_manifest_media_type},
          {"digest", digest.text()},
          {"size", needed.blobs.at(digest)}};
}

// The versions by name, then the signatures, which have none (image-spec: image-layout.md).
std::string index_text(std::vector<SavedVersion> versions, const Needed& needed) {
  const auto key = [](const SavedVersion& version) { return std::pair(version.name, version.digest); };
  std::ranges::sort(versions, {}, key);
  const auto same = std::ranges::unique(versions, {}, key);
  versions.erase(same.begin(), same.end());
  Json manifests = Json::array();
  for (const SavedVersion& version : versions) {
    Json entry = index_entry(k_artifact_type, version.digest, needed);
    if (!version.name.empty()) entry["annotations"] = {{k_ref_name_annotation, version.name}};
    manifests.push_back(std::move(entry));
  }
  for (const Digest& signature : needed.signatures)
    manifests.push_back(index_entry(k_signature_media_type, signature, needed));
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
  MRUN_ASSIGN(const Needed needed, what_is_needed(store, versions));
  SaveResult result{.blobs = needed.blobs.size(), .blob_bytes = 0};
  for (const auto& [digest, size] : needed.blobs)
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
  for (const auto& [digest, size] : needed.blobs)
    MRUN_TRY(add_blob(archive, store, digest, size, step));
  MRUN_TRY(add_text(archive, k_index_name, index_text(versions, needed)));
  MRUN_TRY(add_text(archive, k_layout_name, k_layout_text));
  MRUN_TRY(archive.finish());
  return result;
}

} // namespace mrun
