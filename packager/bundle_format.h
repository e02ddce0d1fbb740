// The bundle as an OCI image manifest: writing it canonically, reading it with distrust
// (docs/formats/bundle.md).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/error.h"
#include "common/json.h"
#include "packager/manifest.h"
#include "packager/store.h"

namespace mrun {

// A bundle whose files are all whole has format 1; one with a recipe has format 2.
inline constexpr std::string_view k_whole_files_format = "1";
inline constexpr std::string_view k_cut_files_format = "2";
inline constexpr std::string_view k_manifest_media_type = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view k_index_media_type = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view k_artifact_type = "application/vnd.cncf.model.manifest.v1+json";
inline constexpr std::string_view k_config_media_type = "application/vnd.cncf.model.config.v1+json";
inline constexpr std::string_view k_recipe_media_type = "application/vnd.mrun.recipe.v1+json";
inline constexpr std::string_view k_segment_media_type = "application/vnd.mrun.segment.v1";
inline constexpr std::string_view k_filepath_annotation = "org.cncf.model.filepath";
inline constexpr std::string_view k_metadata_annotation = "org.cncf.model.file.metadata+json";
inline constexpr std::string_view k_format_annotation = "run.mrun.bundle.format";
inline constexpr std::string_view k_bundle_manifest_name = "mrun.yaml";

// An OCI manifest after its checks.
struct BundleLayout {
  BlobClaim config;
  std::vector<BlobClaim> layers;
  std::vector<BundleFile> files;   // the whole ones, sorted by path
  std::optional<BlobClaim> recipe; // holds the cut ones
};

// The media type of a whole file's layer, by its name and mode (ModelPack's classes).
std::string layer_media_type(const SafePath& path, unsigned mode);

// What a bundle consists of, besides its config: the layers are the whole files, the pieces, the recipe.
struct BundleParts {
  std::vector<BundleFile> files;   // sorted by path
  std::vector<BlobClaim> pieces;   // of the cut files, each once
  std::optional<BlobClaim> recipe; // when there are cut files
  bool is_widened = false;         // by rule t2 (packager/cut/file_groups.h)
};
// Whether a file is a layer of its own, rather than put together by the recipe.
bool is_whole(const BundleFile& file);

// The recipe of the files that are not whole.
std::string encode_recipe(const BundleParts& parts);
// So many bytes of the manifest are a whole file's layer, with whichever mode it has.
std::size_t file_layer_bytes(const SafePath& path, std::uint64_t size);
// The ModelPack config.
std::string encode_config(const Manifest& manifest, const BundleParts& parts);
// The OCI manifest; its sha256 is the version id.
std::string encode_bundle(const BundleParts& parts, const BlobClaim& config);

// Errors: bundle_invalid, path_refused.
Result<BundleLayout> decode_bundle(std::string_view text);
// Adds the recipe's files to layout.files: each segment lies in a layer of the manifest, within its size.
Result<void> decode_recipe(std::string_view text, BundleLayout& layout);
// Sorts them; no two paths are equal or collide, none lies inside another. Error path_refused.
Result<void> check_paths(std::vector<BundleFile>& files);
// After all files are known: the same, and mrun.yaml is there.
Result<void> check_files(std::vector<BundleFile>& files);

// Gives the content of a small blob; the claim is within `limit`.
using ReadBlob = std::function<Result<std::string>(const BlobClaim& claim, std::size_t limit)>;
// The bundle of a manifest: config, recipe and mrun.yaml are read and checked, weights are not touched.
// Errors: bundle_invalid, path_refused, manifest_*, and those of `read`.
Result<Bundle> describe_bundle(const Digest& digest, BundleLayout layout, const ReadBlob& read);
// All blobs of a bundle, each once: the config, then the layers in their order.
std::vector<BlobClaim> blobs_of(const BundleLayout& layout);

// The key under which two paths are the same somewhere: NFC and case folding (Unicode).
std::string collision_key(std::string_view path);

} // namespace mrun
