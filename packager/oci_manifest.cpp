#include "packager/oci_manifest.h"

#include <fmt/format.h>

#include "common/text.h"

namespace mrun {
namespace {

constexpr std::string_view k_what = "the OCI manifest";

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::bundle_invalid, std::move(message));
}

} // namespace

Result<Json> parse_oci_manifest(std::string_view text) {
  MRUN_ASSIGN(Json root, parse_json(text, ErrorCode::bundle_invalid, k_what, {k_max_oci_manifest_bytes, 16}));
  if (!root.is_object()) return invalid("the OCI manifest is not an object");
  MRUN_ASSIGN(const std::int64_t version,
              need_integer(root, "schemaVersion", ErrorCode::bundle_invalid, k_what));
  if (version != 2)
    return invalid(fmt::format("the OCI manifest has schemaVersion {}, it must be 2", version));
  MRUN_ASSIGN(const std::optional<std::string> type,
              json_string(root, "mediaType", ErrorCode::bundle_invalid, k_what));
  if (type && *type != k_manifest_media_type)
    return invalid(fmt::format("the OCI manifest calls itself a {}", printable(*type, 100)));
  if (root.contains("manifests")) return invalid("the OCI manifest has both layers and manifests");
  MRUN_TRY(need_member(root, "config", Json::value_t::object, k_what));
  MRUN_ASSIGN(const Json* layers, need_member(root, "layers", Json::value_t::array, k_what));
  if (layers->size() > k_max_bundle_files)
    return invalid(
        fmt::format("the bundle has {} layers, at most {} are allowed", layers->size(), k_max_bundle_files));
  return root;
}

Result<const Json*> need_member(const Json& object, const char* key, Json::value_t type,
                                std::string_view what) {
  const auto found = object.find(key);
  if (found == object.end()) return invalid(fmt::format("{} has no `{}`", what, key));
  if (found->type() != type) return invalid(fmt::format("{}: `{}` is of the wrong type", what, key));
  return &*found;
}

Result<std::uint64_t> need_size(const Json& object, const char* key, std::string_view what) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() > k_max_blob_bytes)
    return invalid(fmt::format("{}: `{}` is not a size", what, key));
  return found->get<std::uint64_t>();
}

Result<void> Claims::add(const BlobClaim& claim) {
  if (claim.size > k_max_blob_bytes || m_bytes > k_max_blob_bytes - claim.size)
    return invalid("the layers claim more bytes than any disk holds");
  m_bytes += claim.size;
  const auto known = m_sizes.emplace(claim.digest, claim.size).first;
  if (known->second == claim.size) return {};
  return invalid(fmt::format("blob {} is said to have {} and {} bytes", claim.digest.short_hex(),
                             known->second, claim.size));
}

Result<BlobClaim> decode_claim(const Json& descriptor, std::string_view what) {
  if (!descriptor.is_object()) return invalid(fmt::format("{} is not an object", what));
  MRUN_ASSIGN(const std::string digest, need_string(descriptor, "digest", ErrorCode::bundle_invalid, what));
  BlobClaim claim;
  MRUN_ASSIGN(claim.digest, Digest::parse(digest));
  MRUN_ASSIGN(claim.size, need_size(descriptor, "size", what));
  return claim;
}

Result<std::optional<std::string>> oci_annotation(const Json& object, std::string_view key,
                                                  std::string_view what) {
  const auto annotations = object.find("annotations");
  if (annotations == object.end()) return std::optional<std::string>();
  if (!annotations->is_object()) return invalid(fmt::format("{}: `annotations` is not an object", what));
  return json_string(*annotations, std::string(key).c_str(), ErrorCode::bundle_invalid, what);
}

Result<unsigned> decode_file_mode(const Json& layer, std::string_view key, std::string_view what) {
  MRUN_ASSIGN(const std::optional<std::string> text, oci_annotation(layer, key, what));
  if (!text) return 0644U;
  MRUN_ASSIGN(const Json value, parse_json(*text, ErrorCode::bundle_invalid,
                                           fmt::format("{}: file metadata", what), {64 * k_kib, 8}));
  if (!value.is_object()) return invalid(fmt::format("{}: file metadata is not an object", what));
  MRUN_ASSIGN(const std::optional<std::int64_t> mode,
              json_integer(value, "mode", ErrorCode::bundle_invalid, what));
  return mode && (*mode & 0100) != 0 ? 0755U : 0644U;
}

} // namespace mrun
