#include "packager/bundle_format.h"

#include <algorithm>
#include <array>

#include "common/text.h"
#include "packager/cut/cut_plan.h"

namespace mrun {
namespace {

constexpr std::array<std::string_view, 12> k_weight_suffixes = {".safetensors", ".bin",  ".pt",   ".pt2",
                                                                ".pth",         ".onnx", ".gguf", ".npy",
                                                                ".engine",      ".npz",  ".ckpt", ".h5"};
constexpr std::array<std::string_view, 4> k_code_suffixes = {".so", ".py", ".sh", ".cpp"};
constexpr std::array<std::string_view, 9> k_doc_suffixes = {".md",   ".rst",  ".pdf", ".png", ".jpg",
                                                            ".jpeg", ".webp", ".gif", ".svg"};

template<std::size_t N>
bool has_suffix(std::string_view name, const std::array<std::string_view, N>& suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(),
                     [&](std::string_view suffix) { return name.ends_with(suffix); });
}

std::string_view layer_class(const SafePath& path, unsigned mode) {
  const std::string name = lower_ascii(path.file_name());
  if (has_suffix(name, k_weight_suffixes)) return "weight";
  if ((mode & 0100) != 0 || has_suffix(name, k_code_suffixes)) return "code";
  if (has_suffix(name, k_doc_suffixes) || name.starts_with("readme") || name.starts_with("license") ||
      name.starts_with("licence"))
    return "doc";
  return "weight.config";
}

// ModelPack's file metadata (what tar would hold), with everything constant that is no property of the
// content.
std::string metadata(const BundleFile& file) {
  return canonical_json({{"name", file.path.text()},
                         {"mode", file.mode},
                         {"uid", 0},
                         {"gid", 0},
                         {"size", file.size},
                         {"mtime", "1970-01-01T00:00:00Z"},
                         {"typeflag", 48}});
}

Json descriptor(std::string_view media_type, const BlobClaim& blob) {
  return {{"mediaType", media_type}, {"digest", blob.digest.text()}, {"size", blob.size}};
}

Json file_layer(const BundleFile& file) {
  Json layer = descriptor(layer_media_type(file.path, file.mode), {file.segments[0].blob, file.size});
  layer["annotations"][std::string(k_filepath_annotation)] = file.path.text();
  layer["annotations"][std::string(k_metadata_annotation)] = metadata(file);
  return layer;
}

Json layers_of(const BundleParts& parts) {
  Json layers = Json::array();
  for (const BundleFile& file : parts.files)
    if (is_whole(file)) layers.push_back(file_layer(file));
  for (const BlobClaim& piece : parts.pieces)
    layers.push_back(descriptor(k_segment_media_type, piece));
  if (parts.recipe) layers.push_back(descriptor(k_recipe_media_type, *parts.recipe));
  return layers;
}

} // namespace

std::string layer_media_type(const SafePath& path, unsigned mode) {
  return "application/vnd.cncf.model." + std::string(layer_class(path, mode)) + ".v1.raw";
}

bool is_whole(const BundleFile& file) {
  return !file.is_grouped && file.segments.size() == 1 && file.segments[0].offset == 0 &&
         file.segments[0].length == file.size;
}

std::size_t file_layer_bytes(const SafePath& path, std::uint64_t size) {
  std::size_t bytes = 0;
  for (const unsigned mode : {0644U, 0755U})
    bytes = std::max(bytes, file_layer({path, mode, size, {{Digest(), 0, size}}}).dump().size());
  return bytes + 1; // the comma
}

std::string encode_recipe(const BundleParts& parts) {
  Json cut = Json::array();
  for (const BundleFile& file : parts.files) {
    if (is_whole(file)) continue;
    Json segments = Json::array();
    for (const Segment& segment : file.segments)
      segments.push_back(
          {{"blob", segment.blob.text()}, {"offset", segment.offset}, {"length", segment.length}});
    cut.push_back({{"path", file.path.text()},
                   {"mode", file.mode},
                   {"size", file.size},
                   {"segments", std::move(segments)}});
  }
  return canonical_json({{"schema", "mrun.recipe/v1"},
                         {"cut", parts.is_widened ? k_widened_rule : k_cut_rule},
                         {"files", std::move(cut)}});
}

std::string encode_config(const Manifest& manifest, const BundleParts& parts) {
  Json descriptor = {{"name", manifest.name}};
  if (!manifest.description.empty()) descriptor["description"] = manifest.description;
  if (!manifest.license.empty()) descriptor["licenses"] = Json::array({manifest.license});
  Json diff_ids = Json::array();
  for (const Json& layer : layers_of(parts))
    diff_ids.push_back(layer["digest"]);
  return canonical_json({{"descriptor", std::move(descriptor)},
                         {"config", Json::object()},
                         {"modelfs", {{"type", "layers"}, {"diffIds", std::move(diff_ids)}}}});
}

std::string encode_bundle(const BundleParts& parts, const BlobClaim& config) {
  Json annotations = Json::object();
  annotations[std::string(k_format_annotation)] = parts.recipe ? k_cut_files_format : k_whole_files_format;
  return canonical_json({{"schemaVersion", 2},
                         {"mediaType", k_manifest_media_type},
                         {"artifactType", k_artifact_type},
                         {"config", descriptor(k_config_media_type, config)},
                         {"layers", layers_of(parts)},
                         {"annotations", std::move(annotations)}});
}

} // namespace mrun
