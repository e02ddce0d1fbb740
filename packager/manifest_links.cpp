#include "packager/manifest_links.h"

#include <fmt/format.h>

#include "common/json.h"
#include "common/limits.h"

namespace mrun {
namespace {

// nullopt: of another digest than sha256.
Result<std::optional<ManifestLink>> link_of(const Json& descriptor, bool must_be_ours) {
  if (!descriptor.is_object()) return fail(ErrorCode::store_corrupt, "a descriptor is not an object");
  MRUN_ASSIGN(const std::string text,
              need_string(descriptor, "digest", ErrorCode::store_corrupt, "a descriptor"));
  const Result<Digest> digest = Digest::parse(text);
  if (!digest && must_be_ours) return fail(ErrorCode::store_corrupt, digest.error().message);
  if (!digest) return std::optional<ManifestLink>();
  ManifestLink link{*digest, std::nullopt};
  if (const auto size = descriptor.find("size"); size != descriptor.end() && size->is_number_unsigned())
    link.size = size->get<std::uint64_t>();
  return std::optional<ManifestLink>(link);
}

} // namespace

Result<ManifestLinks> manifest_links(std::string_view text, const Digest& digest) {
  MRUN_ASSIGN(const Json root,
              parse_json(text, ErrorCode::store_corrupt, fmt::format("manifest {}", digest.short_hex()),
                         {k_max_oci_manifest_bytes, 64}));
  if (!root.is_object())
    return fail(ErrorCode::store_corrupt, fmt::format("manifest {} is not an object", digest.short_hex()));
  ManifestLinks out;
  if (const auto config = root.find("config"); config != root.end()) {
    MRUN_ASSIGN(const auto link, link_of(*config, false));
    if (link) out.blobs.push_back(*link);
  }
  if (const auto subject = root.find("subject"); subject != root.end()) {
    MRUN_ASSIGN(const auto link, link_of(*subject, false));
    if (link) out.subject = link->digest;
  }
  for (const char* key : {"layers", "manifests"}) {
    const bool more = std::string_view(key) == "manifests";
    const auto list = root.find(key);
    if (list == root.end() || !list->is_array()) continue;
    for (const Json& entry : *list) {
      MRUN_ASSIGN(const auto link, link_of(entry, more));
      if (link) (more ? out.manifests : out.blobs).push_back(*link);
    }
  }
  return out;
}

} // namespace mrun
