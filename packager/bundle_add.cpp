#include "packager/bundle_add.h"

#include <fmt/format.h>

#include "common/text.h"

namespace mrun {

Result<Digest> add_bundle(Store::Writer& writer, const Manifest& manifest, BundleParts parts,
                          std::uint64_t& new_bytes) {
  const auto add = [&](const std::string& text) -> Result<BlobClaim> {
    MRUN_ASSIGN(const AddedBlob added, writer.add_bytes(text));
    new_bytes += added.is_new ? added.size : 0;
    return BlobClaim{added.digest, added.size};
  };
  MRUN_TRY(check_files(parts.files));
  if (!parts.pieces.empty()) {
    MRUN_ASSIGN(parts.recipe, add(encode_recipe(parts.files)));
  }
  MRUN_ASSIGN(const BlobClaim config, add(encode_config(manifest, parts)));
  const std::string text = encode_bundle(parts, config);
  if (text.size() > k_max_oci_manifest_bytes)
    return fail(
        ErrorCode::manifest_limit,
        fmt::format("the bundle's manifest has {}, at most {} are allowed", format_bytes(text.size()),
                    format_bytes(k_max_oci_manifest_bytes)),
        fmt::format("each of its {} larger files takes a line of it: join them, as into one safetensors "
                    "file or archive; those below 1 MiB are joined by mrun",
                    parts.files.size()));
  MRUN_ASSIGN(const BlobClaim bundle, add(text));
  return bundle.digest;
}

} // namespace mrun
