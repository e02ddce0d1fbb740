// What belongs to a manifest: the referrers API (end-12), and the tag that stands in for it at registries
// that have none (distribution-spec, "Referrers Tag Schema"; Debian's docker-registry 2.8 is one).
#include "packager/registry/registry.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "common/json.h"
#include "common/text.h"
#include "packager/bundle_format.h"
#include "packager/registry/replies.h"
#include "packager/sha256.h"

namespace mrun {
namespace {

constexpr int k_max_pages = 100;
constexpr int k_max_list_attempts = 5; // others may write to the same tag
constexpr std::string_view k_list = "the list of what belongs to the version";

// `sha256-<hex>`; the spec's cut to 32 and 64 characters changes nothing for sha256.
std::string referrers_tag(const Digest& subject) {
  return "sha256-" + subject.hex();
}

Result<Json> parse_list(std::string_view text) {
  MRUN_ASSIGN(Json root, parse_json(text, ErrorCode::registry_reply, k_list,
                                    {.max_bytes = k_max_oci_manifest_bytes, .max_depth = 16}));
  if (!root.is_object()) return fail(ErrorCode::registry_reply, fmt::format("{} is not one", k_list));
  const auto manifests = root.find("manifests");
  if (manifests == root.end() || !manifests->is_array())
    return fail(ErrorCode::registry_reply, fmt::format("{} has no `manifests`", k_list));
  return root;
}

// nullopt for an entry that can't be one: it is a stranger's, and others may stand beside it.
std::optional<Referrer> read_referrer(const Json& value) {
  if (!value.is_object()) return std::nullopt;
  const auto digest = value.find("digest"), size = value.find("size"), type = value.find("artifactType");
  if (digest == value.end() || !digest->is_string() || size == value.end() || !size->is_number_unsigned())
    return std::nullopt;
  const auto parsed = Digest::parse(digest->get_ref<const std::string&>());
  if (!parsed) return std::nullopt;
  return Referrer{*parsed, size->get<std::uint64_t>(),
                  type != value.end() && type->is_string() ? type->get<std::string>() : std::string()};
}

// Filtered here, whether the registry did or not. False: that is enough.
bool add_referrers(const Json& list, const std::string& artifact_type, std::vector<Referrer>& found) {
  for (const Json& value : list["manifests"]) {
    if (found.size() > k_max_signatures) return false;
    const std::optional<Referrer> referrer = read_referrer(value);
    if (!referrer || (!referrer->artifact_type.empty() && referrer->artifact_type != artifact_type)) continue;
    const bool is_known = std::any_of(found.begin(), found.end(),
                                      [&](const Referrer& old) { return old.digest == referrer->digest; });
    if (!is_known) found.push_back(*referrer);
  }
  return true;
}

// What the list says of one: its own type and annotations.
Result<Json> descriptor_of(const std::string& manifest) {
  MRUN_ASSIGN(const Json root, parse_json(manifest, ErrorCode::registry_reply, "the manifest that refers",
                                          {.max_bytes = k_max_oci_manifest_bytes, .max_depth = 16}));
  Json descriptor = {{"mediaType", k_manifest_media_type},
                     {"digest", Sha256::of(manifest).text()},
                     {"size", manifest.size()}};
  for (const char* key : {"artifactType", "annotations"})
    if (const auto found = root.find(key); found != root.end()) descriptor[key] = *found;
  return descriptor;
}

bool lists(const Json& index, const std::string& digest) {
  const Json& manifests = index["manifests"];
  return std::any_of(manifests.begin(), manifests.end(), [&](const Json& value) {
    return value.is_object() && value.contains("digest") && value["digest"] == digest;
  });
}

} // namespace

Result<std::vector<Referrer>> RegistryConnection::referrers(const Digest& subject,
                                                            const std::string& artifact_type) {
  Url url = endpoint("referrers/" + subject.text());
  url.query = "artifactType=" + percent_encode(artifact_type);
  const HttpRequest request{
      .headers = {{"Accept", std::string(k_index_media_type)}, {"Accept-Encoding", "identity"}}};
  std::vector<Referrer> found;
  std::set<std::string> seen;
  for (int page = 0; page < k_max_pages && seen.insert(url.text()).second; ++page) {
    MRUN_ASSIGN(const HttpReply reply, call_again("GET", url, request));
    const bool has_none =
        reply.status == 404 || reply.status == 400 || reply.status == 405 || reply.status == 501;
    if (has_none && page == 0) return referrers_by_tag(subject, artifact_type);
    if (reply.status != 200) return refused(reply, std::string(k_list));
    if (media_type_of(reply) != k_index_media_type)
      return fail(ErrorCode::registry_reply,
                  fmt::format("{} came as {}", k_list, printable(media_type_of(reply), 100)));
    MRUN_ASSIGN(const Json list, parse_list(reply.body));
    const std::string next = next_link(reply);
    if (!add_referrers(list, artifact_type, found) || next.empty()) break;
    MRUN_ASSIGN(url, url.resolve(next));
    if (!url.same_origin(m_registry.base()))
      return fail(ErrorCode::registry_url, fmt::format("{} goes on at another host", k_list));
  }
  return found;
}

Result<std::vector<Referrer>> RegistryConnection::referrers_by_tag(const Digest& subject,
                                                                   const std::string& artifact_type) {
  std::vector<Referrer> found;
  const Result<RemoteManifest> index = get_manifest(referrers_tag(subject));
  if (!index && index.error().code == ErrorCode::remote_not_found) return found;
  if (!index) return tl::unexpected<Error>(index.error());
  if (index->media_type != k_index_media_type)
    return fail(ErrorCode::registry_reply,
                fmt::format("the tag {} is a {}, not the list that belongs there", referrers_tag(subject),
                            printable(index->media_type, 100)));
  MRUN_ASSIGN(const Json list, parse_list(index->bytes));
  add_referrers(list, artifact_type, found);
  return found;
}

Result<void> RegistryConnection::put_referrer(const Digest& subject, const std::string& manifest) {
  MRUN_ASSIGN(const ManifestTaken taken,
              put_manifest({Sha256::of(manifest).text(), std::string(k_manifest_media_type), manifest}));
  if (!taken.subject.empty()) return {};
  return list_referrer(subject, manifest);
}

Result<void> RegistryConnection::list_referrer(const Digest& subject, const std::string& manifest) {
  const std::string tag = referrers_tag(subject);
  MRUN_ASSIGN(const Json descriptor, descriptor_of(manifest));
  for (int attempt = 0; attempt < k_max_list_attempts; ++attempt) {
    Json index = {{"schemaVersion", 2}, {"mediaType", k_index_media_type}, {"manifests", Json::array()}};
    const Result<RemoteManifest> present = get_manifest(tag);
    if (!present && present.error().code != ErrorCode::remote_not_found)
      return tl::unexpected<Error>(present.error());
    if (present && present->media_type != k_index_media_type)
      return fail(ErrorCode::registry_reply,
                  fmt::format("the tag {} is a {}, and the list of signatures belongs there", tag,
                              printable(present->media_type, 100)),
                  "find out who uses the tag, and remove it");
    if (present) {
      MRUN_ASSIGN(index, parse_list(present->bytes));
    }
    if (lists(index, descriptor["digest"].get<std::string>())) return {};
    index["manifests"].push_back(descriptor);
    // a weak etag never matches (RFC 9110 §13.1.1)
    const std::string etag = present && !present->etag.starts_with("W/") ? present->etag : std::string();
    MRUN_ASSIGN(const ManifestTaken taken,
                put_manifest({tag, std::string(k_index_media_type), canonical_json(index), etag}));
    if (!taken.is_outdated) return {};
  }
  return fail(ErrorCode::registry_unavailable,
              fmt::format("others keep changing the tag {} of {}", tag, m_registry.config().host));
}

} // namespace mrun
