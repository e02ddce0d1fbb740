// A bundle without its weights: what its small blobs say, wherever they lie.
#include <set>

#include <fmt/format.h>

#include "packager/bundle_format.h"

namespace mrun {
namespace {

// Size before content, content before parsing.
Result<std::string> read_claimed(const ReadBlob& read, const BlobClaim& claim, std::size_t limit,
                                 std::string_view what) {
  if (claim.size > limit)
    return fail(ErrorCode::bundle_invalid,
                fmt::format("{} has {} bytes, at most {} are allowed", what, claim.size, limit));
  MRUN_ASSIGN(std::string text, read(claim, limit));
  if (text.size() != claim.size)
    return fail(ErrorCode::bundle_invalid,
                fmt::format("{} has {} bytes, the manifest claims {}", what, text.size(), claim.size));
  return text;
}

Result<void> check_config(const std::string& text) {
  MRUN_ASSIGN(const Json config,
              parse_json(text, ErrorCode::bundle_invalid, "the config", {k_max_oci_manifest_bytes, 16}));
  if (!config.is_object()) return fail(ErrorCode::bundle_invalid, "the config is not an object");
  return {};
}

} // namespace

Result<Bundle> describe_bundle(const Digest& digest, BundleLayout layout, const ReadBlob& read) {
  MRUN_ASSIGN(const std::string config,
              read_claimed(read, layout.config, k_max_oci_manifest_bytes, "the config"));
  MRUN_TRY(check_config(config));
  if (layout.recipe) {
    MRUN_ASSIGN(const std::string recipe,
                read_claimed(read, *layout.recipe, k_max_recipe_bytes, "the recipe"));
    MRUN_TRY(decode_recipe(recipe, layout));
  }
  MRUN_TRY(check_files(layout.files));
  Bundle bundle;
  bundle.digest = digest;
  bundle.files = std::move(layout.files);
  for (const BundleFile& file : bundle.files) {
    bundle.size_bytes += file.size; // each is at most 2^53, the sum is held there too
    if (bundle.size_bytes > (1ULL << 53))
      return fail(ErrorCode::bundle_invalid, "the bundle's files are larger than any disk");
  }
  const BundleFile* written = bundle.find(k_bundle_manifest_name);
  if (written->segments.size() != 1 || written->segments[0].offset != 0)
    return fail(ErrorCode::bundle_invalid, "mrun.yaml is not one whole blob");
  MRUN_ASSIGN(const std::string text, read_claimed(read, {written->segments[0].blob, written->size},
                                                   k_max_manifest_bytes, "mrun.yaml"));
  MRUN_ASSIGN(bundle.manifest, parse_manifest(text, "mrun.yaml"));
  return bundle;
}

std::vector<BlobClaim> blobs_of(const BundleLayout& layout) {
  std::vector<BlobClaim> blobs;
  std::set<Digest> seen;
  const auto add = [&](const BlobClaim& claim) {
    if (seen.insert(claim.digest).second) blobs.push_back(claim);
  };
  add(layout.config);
  for (const BlobClaim& layer : layout.layers)
    add(layer);
  return blobs;
}

} // namespace mrun
