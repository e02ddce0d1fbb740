// Reading bundles made by others: every number and path is checked before it is used.
#include "packager/bundle_format.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <utf8proc.h>

#include "common/text.h"
#include "packager/oci_manifest.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_segments = 400'000; // more have no room in k_max_recipe_values
// Cut files may share pieces and repeat them (zeros do); they are no larger than so many times what is
// fetched.
constexpr std::uint64_t k_max_repetition = 200;

tl::unexpected<Error> invalid(std::string message, std::string hint = {}) {
  return fail(ErrorCode::bundle_invalid, std::move(message), std::move(hint));
}

Result<void> decode_layer(const Json& layer, std::size_t index, BundleLayout& layout) {
  const std::string what = fmt::format("layer {}", index);
  MRUN_ASSIGN(const BlobClaim claim, decode_claim(layer, what));
  layout.layers.push_back(claim);
  MRUN_ASSIGN(const std::string media_type, need_string(layer, "mediaType", ErrorCode::bundle_invalid, what));
  if (media_type == k_segment_media_type) return {};
  if (media_type == k_recipe_media_type) {
    if (layout.recipe) return invalid("there are two recipes");
    layout.recipe = claim;
    return {};
  }
  const bool raw = media_type.starts_with("application/vnd.cncf.model.") && media_type.ends_with(".v1.raw");
  if (!raw)
    return invalid(
        fmt::format("{} is of type {}, which this mrun does not read", what, printable(media_type, 100)));
  MRUN_ASSIGN(const std::optional<std::string> path_text, oci_annotation(layer, k_filepath_annotation, what));
  if (!path_text) return invalid(fmt::format("{} has no file path", what));
  MRUN_ASSIGN(const SafePath path, SafePath::parse(*path_text));
  MRUN_ASSIGN(const unsigned mode, decode_file_mode(layer, k_metadata_annotation, what));
  layout.files.push_back({path, mode, claim.size, {{claim.digest, 0, claim.size}}});
  return {};
}

Result<void> check_head(const Json& root) {
  MRUN_ASSIGN(const std::string media_type,
              need_string(root, "mediaType", ErrorCode::bundle_invalid, "the OCI manifest"));
  if (media_type != k_manifest_media_type)
    return invalid(fmt::format("the OCI manifest is of type {}", printable(media_type, 100)));
  MRUN_ASSIGN(const std::optional<std::string> format,
              oci_annotation(root, k_format_annotation, "the OCI manifest"));
  if (!format) return invalid("the artifact is no mrun bundle: it has no bundle format number");
  if (*format != k_cut_files_format && *format != k_whole_files_format)
    return invalid(fmt::format("the bundle has format {}, this mrun reads formats {} and {}",
                               printable(*format, 20), k_whole_files_format, k_cut_files_format),
                   "use a newer mrun");
  return {};
}

struct LayerSizes {
  std::map<Digest, std::uint64_t> of;
};

Result<Segment> decode_segment(const Json& value, const LayerSizes& layers, std::string_view what) {
  if (!value.is_object()) return invalid(fmt::format("{}: a segment is not an object", what));
  MRUN_ASSIGN(const std::string digest, need_string(value, "blob", ErrorCode::bundle_invalid, what));
  Segment segment;
  MRUN_ASSIGN(segment.blob, Digest::parse(digest));
  MRUN_ASSIGN(segment.offset, need_size(value, "offset", what));
  MRUN_ASSIGN(segment.length, need_size(value, "length", what));
  const auto layer = layers.of.find(segment.blob);
  if (layer == layers.of.end())
    return invalid(fmt::format("{}: blob {} is not a layer of the bundle", what, segment.blob.short_hex()));
  if (segment.offset > layer->second || segment.length > layer->second - segment.offset)
    return invalid(
        fmt::format("{}: a segment reaches past the end of blob {}", what, segment.blob.short_hex()));
  return segment;
}

Result<BundleFile> decode_recipe_file(const Json& value, const LayerSizes& layers,
                                      std::size_t& segment_count) {
  if (!value.is_object()) return invalid("recipe: a file is not an object");
  MRUN_ASSIGN(const std::string path_text, need_string(value, "path", ErrorCode::bundle_invalid, "recipe"));
  MRUN_ASSIGN(const SafePath path, SafePath::parse(path_text));
  const std::string what = fmt::format("recipe, file {}", printable(path_text, 100));
  MRUN_ASSIGN(const std::int64_t mode, need_integer(value, "mode", ErrorCode::bundle_invalid, what));
  MRUN_ASSIGN(const std::uint64_t size, need_size(value, "size", what));
  MRUN_ASSIGN(const Json* segments, need_member(value, "segments", Json::value_t::array, what));
  BundleFile file{path, (mode & 0100) != 0 ? 0755U : 0644U, size, {}};
  file.is_grouped = true; // at least it is no layer of its own
  std::uint64_t sum = 0;
  for (const Json& entry : *segments) {
    if (++segment_count > k_max_segments)
      return invalid(fmt::format("the recipe has more than {} segments", k_max_segments));
    MRUN_ASSIGN(const Segment segment, decode_segment(entry, layers, what));
    sum += segment.length; // both are at most 2^53: no overflow
    if (sum > k_max_blob_bytes) return invalid(fmt::format("{} is larger than any file", what));
    file.segments.push_back(segment);
  }
  if (sum != size)
    return invalid(fmt::format("{} has {} bytes in its segments, and claims {}", what, sum, size));
  return file;
}

} // namespace

Result<BundleLayout> decode_bundle(std::string_view text) {
  MRUN_ASSIGN(const Json root, parse_oci_manifest(text));
  MRUN_TRY(check_head(root));
  BundleLayout layout;
  MRUN_ASSIGN(layout.config, decode_claim(root["config"], "the config"));
  const Json& layers = root["layers"];
  Claims claims;
  MRUN_TRY(claims.add(layout.config));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    MRUN_TRY(decode_layer(layers[i], i, layout));
    MRUN_TRY(claims.add(layout.layers.back()));
  }
  return layout;
}

Result<void> decode_recipe(std::string_view text, BundleLayout& layout) {
  MRUN_ASSIGN(const Json root,
              parse_json(text, ErrorCode::bundle_invalid, "the recipe",
                         {k_max_recipe_bytes, 16, k_max_recipe_values, ErrorCode::bundle_invalid}));
  if (!root.is_object()) return invalid("the recipe is not an object");
  MRUN_ASSIGN(const std::string schema, need_string(root, "schema", ErrorCode::bundle_invalid, "the recipe"));
  if (schema != "mrun.recipe/v1")
    return invalid(
        fmt::format("the recipe has the schema {}, this mrun reads mrun.recipe/v1", printable(schema, 60)));
  LayerSizes layers;
  std::uint64_t budget = 0; // 100,000 layers of 2^53 bytes would overflow: no budget is above 2^62
  for (const BlobClaim& layer : layout.layers)
    if (layers.of.insert_or_assign(layer.digest, layer.size).second)
      budget = std::min(budget + std::min(layer.size, k_max_blob_bytes) * k_max_repetition,
                        std::uint64_t{1} << 62);
  MRUN_ASSIGN(const Json* files, need_member(root, "files", Json::value_t::array, "the recipe"));
  std::size_t segment_count = 0;
  for (const Json& entry : *files) {
    if (layout.files.size() >= k_max_bundle_files)
      return invalid(fmt::format("the bundle has more than {} files", k_max_bundle_files));
    MRUN_ASSIGN(BundleFile file, decode_recipe_file(entry, layers, segment_count));
    if (file.size > budget)
      return invalid(fmt::format("the recipe's files are over {} times as large as all blobs of the bundle",
                                 k_max_repetition));
    budget -= file.size;
    layout.files.push_back(std::move(file));
  }
  return {};
}

std::string collision_key(std::string_view path) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(path.data());
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
  const utf8proc_ssize_t length =
      utf8proc_map(bytes, static_cast<utf8proc_ssize_t>(path.size()), &mapped, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (length < 0) return case_fold_key(path);
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(length));
}

Result<void> check_paths(std::vector<BundleFile>& files) {
  std::sort(files.begin(), files.end(),
            [](const BundleFile& a, const BundleFile& b) { return a.path < b.path; });
  std::map<std::string, const SafePath*> keys;
  for (const BundleFile& file : files) {
    const auto [at, is_new] = keys.emplace(collision_key(file.path.text()), &file.path);
    if (!is_new)
      return fail(ErrorCode::path_refused,
                  at->second->text() == file.path.text()
                      ? fmt::format("path `{}` is there twice", printable(file.path.text(), 200))
                      : fmt::format("paths `{}` and `{}` are the same on some file systems",
                                    printable(at->second->text(), 200), printable(file.path.text(), 200)),
                  "rename one of them");
  }
  for (const auto& [key, path] : keys)
    for (std::size_t slash = key.find('/'); slash != std::string::npos; slash = key.find('/', slash + 1))
      if (keys.contains(key.substr(0, slash)))
        return fail(ErrorCode::path_refused,
                    fmt::format("path `{}` lies below a file", printable(path->text(), 200)));
  return {};
}

Result<void> check_files(std::vector<BundleFile>& files) {
  MRUN_TRY(check_paths(files));
  const auto is_manifest = [](const BundleFile& file) { return file.path.text() == k_bundle_manifest_name; };
  if (std::none_of(files.begin(), files.end(), is_manifest)) return invalid("the bundle has no mrun.yaml");
  return {};
}

} // namespace mrun
