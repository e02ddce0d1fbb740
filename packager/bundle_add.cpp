#include "packager/bundle_add.h"

#include <fmt/format.h>

#include "common/text.h"

namespace mrun {

Result<Digest> add_bundle(Store::Writer& writer, const Manifest& manifest, BundleParts parts,
                          std::uint64_t& new_bytes) {
  const auto limited = [](std::string_view what, const std::string& text, std::size_t most) -> Result<void> {
    if (text.size() <= most) return {};
    return fail(
        ErrorCode::manifest_limit,
        fmt::format("{} has {}, at most {} are allowed", what, format_bytes(text.size()), format_bytes(most)),
        "each file of over 1 MiB takes a line of it: join such, as into one safetensors file or archive");
  };
  const auto add = [&](const std::string& text) -> Result<BlobClaim> {
    MRUN_ASSIGN(const AddedBlob added, writer.add_bytes(text));
    new_bytes += added.is_new ? added.size : 0;
    return BlobClaim{added.digest, added.size};
  };
  MRUN_TRY(check_files(parts.files));
  if (!parts.pieces.empty()) {
    const std::string recipe = encode_recipe(parts);
    MRUN_TRY(limited("the bundle's recipe", recipe, k_max_recipe_bytes));
    MRUN_ASSIGN(parts.recipe, add(recipe));
  }
  MRUN_ASSIGN(const BlobClaim config, add(encode_config(manifest, parts)));
  const std::string text = encode_bundle(parts, config);
  MRUN_TRY(limited("the bundle's manifest", text, k_max_oci_manifest_bytes));
  MRUN_ASSIGN(const BlobClaim bundle, add(text));
  return bundle.digest;
}

} // namespace mrun
