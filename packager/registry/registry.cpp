#include "packager/registry/registry.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "common/build_info.h"
#include "common/json.h"
#include "common/text.h"
#include "packager/bundle_format.h"
#include "packager/registry/replies.h"
#include "packager/registry/tls_trust.h"
#include "packager/registry_host.h"
#include "packager/sha256.h"

namespace mrun {
namespace {

constexpr int k_max_redirects = 5;
constexpr int k_max_authorizations =
    2; // of one request: a first token, and one more should it end on the way
constexpr std::size_t k_max_tag_pages = 1000;
constexpr std::size_t k_most_questions = 256; // with one token
constexpr std::size_t k_max_small_blob_bytes = 64 * k_mib;
constexpr std::string_view k_accepted_manifests =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json";

// The manifest of a digest reference must have that digest; of a tag, the one that the registry claims.
Result<void> check_digest(const std::string& reference, const HttpReply& reply, const Digest& digest) {
  if (reference.starts_with("sha256:") && reference != digest.text())
    return fail(ErrorCode::digest_mismatch,
                fmt::format("the registry gave manifest {} when {} was asked for", digest.text(), reference));
  const std::string claimed = reply.header("docker-content-digest");
  if (claimed.starts_with("sha256:") && claimed != digest.text())
    return fail(ErrorCode::digest_mismatch,
                fmt::format("the registry gave a manifest of digest {} and calls it {}", digest.text(),
                            printable(claimed, 80)));
  return {};
}

} // namespace

// ---- the registry
// ------------------------------------------------------------------------------------------

Result<std::unique_ptr<Registry>> Registry::make(RegistryConfig config) {
  std::string host = canonical_host(config.host);
  if (host == "docker.io") host = "registry-1.docker.io";
  // Plain HTTP never leaves the machine.
  const std::string name =
      host.starts_with('[') ? host.substr(0, host.find(']') + 1) : host.substr(0, host.find(':'));
  const std::string scheme = is_loopback_host(name) && !has_certificates_for(host) ? "http" : "https";
  auto base = Url::parse(fmt::format("{}://{}/", scheme, host));
  if (!base)
    return fail(ErrorCode::reference_invalid,
                fmt::format("`{}` is no registry host", printable(config.host, 100)));
  return std::unique_ptr<Registry>(
      new Registry(std::move(config), std::move(*base))); // its constructor is private
}

void Registry::note_answer(const Url& url) {
  if (has_answered(url)) return;
  const std::scoped_lock lock(m_mutex);
  m_answered.push_back(url);
}

bool Registry::has_answered(const Url& url) {
  const std::scoped_lock lock(m_mutex);
  return std::ranges::any_of(m_answered, [&](const Url& other) { return url.same_origin(other); });
}

Registry::Registry(RegistryConfig config, Url base)
    : m_config(std::move(config)),
      m_base(std::move(base)),
      m_authenticator(m_base, m_config.credentials, m_config.repository,
                      m_config.clock != nullptr ? *m_config.clock : system_clock()) {
  m_authenticator.trust_token_servers(m_config.token_servers);
  if (m_config.credential) m_authenticator.use(*m_config.credential);
}

// ---- calls
// -------------------------------------------------------------------------------------------------

RegistryConnection::RegistryConnection(Registry& registry, int interrupt_fd)
    : m_registry(registry),
      m_interrupt_fd(interrupt_fd),
      m_session({.user_agent = fmt::format("mrun/{}", version_text()), .interrupt_fd = interrupt_fd}) {}

Url RegistryConnection::endpoint(std::string_view rest) const {
  Url url = m_registry.base();
  url.path = fmt::format("/v2/{}/{}", m_registry.config().repository, rest);
  return url;
}

Result<HttpReply> RegistryConnection::call(const std::string& method, const Url& url, HttpRequest request,
                                           const HttpSink& sink, std::string scope) {
  const bool at_home = url.same_origin(m_registry.base());
  if (scope.empty()) scope = m_registry.scope();
  request.method = method;
  request.url = url.text();
  if (at_home) request.nearest = AddressReach::special; // the user named it
  const HttpHeaders plain = request.headers;
  for (int authorizations = 0;; ++authorizations) {
    request.headers = plain;
    m_broke_midway = false;
    std::string header;
    if (at_home) {
      MRUN_ASSIGN(header, m_registry.authenticator().header(m_session, scope));
    }
    if (!header.empty()) request.headers.emplace_back("Authorization", header);
    Result<HttpReply> performed = m_session.perform(request, sink);
    m_broke_midway = !performed && m_registry.has_answered(url);
    MRUN_ASSIGN(HttpReply reply, std::move(performed));
    m_registry.note_answer(url);
    if (!is_worth_retrying(reply)) set_in_trouble(false);
    if (reply.status != 401 || !at_home) return reply;
    if (authorizations == k_max_authorizations) return refused(reply, "the request");
    MRUN_TRY(m_registry.authenticator().answer(m_session, reply, scope, header));
  }
}

// From TLS nothing leads to plain HTTP, and plain HTTP stays on this machine.
Result<Url> RegistryConnection::next_place(const Url& from, const std::string& location) const {
  MRUN_ASSIGN(Url next, from.resolve(location));
  if (next.scheme == "https" || (from.scheme == "http" && is_loopback_host(next.host))) return next;
  return fail(ErrorCode::registry_url, fmt::format("{} leads from {} to plain http at {}", from.host,
                                                   from.scheme, printable(next.host, 100)));
}

// Credentials stay with the host that the user named.
Result<HttpReply> RegistryConnection::follow(Url url, HttpRequest request, const HttpSink& sink) {
  for (int redirects = 0;; ++redirects) {
    MRUN_ASSIGN(HttpReply reply, call("GET", url, request, sink));
    if (!is_redirect(reply.status)) return reply;
    if (redirects == k_max_redirects)
      return fail(ErrorCode::registry_url,
                  fmt::format("{} redirects more than {} times", m_registry.base().host, k_max_redirects));
    MRUN_ASSIGN(url, next_place(url, reply.header("location")));
    request.nearest = reply.reach;
  }
}

Result<bool> RegistryConnection::again(Retry& retry, std::optional<std::chrono::seconds> asked_for,
                                       bool broke) {
  set_in_trouble(true);
  return retry.again(asked_for, broke && m_broke_midway ? Retry::k_patient_attempts : Retry::k_attempts);
}

void RegistryConnection::set_in_trouble(bool in_trouble) {
  if (std::exchange(m_in_trouble, in_trouble) != in_trouble)
    m_registry.traffic().in_trouble.fetch_add(in_trouble ? 1 : -1, std::memory_order_relaxed);
}

Result<HttpReply> RegistryConnection::call_again(const std::string& method, const Url& url,
                                                 const HttpRequest& request) {
  Retry retry(m_interrupt_fd);
  while (true) {
    Result<HttpReply> reply = method == "GET" ? follow(url, request, nullptr) : call(method, url, request);
    const bool may_pass = reply ? is_worth_retrying(*reply) : is_worth_retrying(reply.error());
    if (!may_pass) return reply;
    MRUN_ASSIGN(const bool go_on,
                again(retry, reply ? retry_after(*reply) : std::nullopt, !reply.has_value()));
    if (!go_on) return reply;
  }
}

tl::unexpected<Error> RegistryConnection::refused(const HttpReply& reply, std::string_view what) const {
  const std::string& host = m_registry.config().host;
  const std::string words = registry_words(reply);
  const std::string said = words.empty() ? "" : fmt::format(" ({})", words);
  switch (reply.status) {
  case 401:
    return fail(ErrorCode::registry_auth, fmt::format("{} does not let you in{}", host, said),
                "mrun login " + host);
  case 403:
    return fail(ErrorCode::registry_denied, fmt::format("{} does not allow it: {}{}", host, what, said));
  case 404:
    return fail(ErrorCode::remote_not_found, fmt::format("{} is not on {}{}", what, host, said));
  case 413:
    return fail(ErrorCode::registry_reply, fmt::format("{} is too large for {}{}", what, host, said),
                "a proxy in front of the registry may limit the size of a request");
  case 429:
    return fail(ErrorCode::registry_unavailable,
                fmt::format("{} takes no more requests for now{}", host, said));
  default:
    break;
  }
  if (reply.status >= 500 && reply.status != 501)
    return fail(ErrorCode::registry_unavailable,
                fmt::format("{} answered {} to {}{}", host, reply.status, what, said));
  return fail(ErrorCode::registry_reply,
              fmt::format("{} answered {} to {}{}", host, reply.status, what, said));
}

Result<bool> RegistryConnection::ping() {
  Url url = m_registry.base();
  url.path = "/v2/";
  Authenticator& authenticator = m_registry.authenticator();
  MRUN_ASSIGN(HttpReply reply, call_again("GET", url, {}));
  if (reply.status == 200 && !authenticator.was_asked() && m_registry.config().credential) {
    authenticator.offer();
    MRUN_ASSIGN(reply, call_again("GET", url, {}));
  }
  if (reply.status == 200 || reply.status == 404) return authenticator.was_asked();
  return refused(reply, "the version check");
}

// ---- manifests
// ---------------------------------------------------------------------------------------------

Result<RemoteManifest> RegistryConnection::get_manifest(const std::string& reference) {
  HttpRequest request{
      .headers = {{"Accept", std::string(k_accepted_manifests)}, {"Accept-Encoding", "identity"}}};
  request.max_reply_bytes = k_max_oci_manifest_bytes;
  MRUN_ASSIGN(HttpReply reply, call_again("GET", endpoint("manifests/" + reference), request));
  if (reply.status != 200)
    return refused(reply, fmt::format("{}:{}", m_registry.config().repository, reference));
  RemoteManifest manifest;
  manifest.digest = Sha256::of(reply.body);
  MRUN_TRY(check_digest(reference, reply, manifest.digest));
  manifest.media_type = media_type_of(reply);
  manifest.size_bytes = reply.body.size();
  manifest.etag = reply.header("etag");
  manifest.bytes = std::move(reply.body);
  return manifest;
}

Result<std::optional<RemoteManifest>> RegistryConnection::head_manifest(const std::string& reference) {
  const HttpRequest request{.headers = {{"Accept", std::string(k_accepted_manifests)}}};
  MRUN_ASSIGN(const HttpReply reply, call_again("HEAD", endpoint("manifests/" + reference), request));
  if (reply.status == 404) return std::nullopt;
  if (reply.status != 200)
    return refused(reply, fmt::format("{}:{}", m_registry.config().repository, reference));
  const auto digest = Digest::parse(reply.header("docker-content-digest"));
  if (!digest) return std::nullopt; // a registry that does not say: the caller takes the long way
  RemoteManifest manifest;
  manifest.digest = *digest;
  manifest.media_type = media_type_of(reply);
  return manifest;
}

Result<ManifestTaken> RegistryConnection::put_manifest(const ManifestUpload& upload) {
  HttpRequest request{.headers = {{"Content-Type", upload.media_type}}, .body = upload.bytes};
  if (!upload.if_match.empty()) request.headers.emplace_back("If-Match", upload.if_match);
  MRUN_ASSIGN(const HttpReply reply, call_again("PUT", endpoint("manifests/" + upload.reference), request));
  if (reply.status == 412 && !upload.if_match.empty())
    return ManifestTaken{.is_outdated = true, .subject = {}};
  if (registry_words(reply).starts_with("MANIFEST_BLOB_UNKNOWN"))
    return fail(ErrorCode::remote_not_found,
                fmt::format("{} has lost a blob that the manifest names", m_registry.config().host));
  if (reply.status != 201 && reply.status != 200) return refused(reply, "the manifest");
  MRUN_TRY(check_digest(upload.reference, reply, Sha256::of(upload.bytes)));
  return ManifestTaken{.is_outdated = false, .subject = reply.header("oci-subject")};
}

Result<std::vector<std::string>> RegistryConnection::tags() {
  std::set<std::string> found; // some registries ignore the order and the paging (docker-registry 2.8)
  Url url = endpoint("tags/list");
  url.query = "n=1000";
  std::set<std::string> seen;
  while (seen.insert(url.text()).second) { // a circle ends where it began
    if (seen.size() > k_max_tag_pages || found.size() > k_max_listed_tags)
      return fail(ErrorCode::registry_reply, fmt::format("the list of tags has over {} pages or {} tags",
                                                         k_max_tag_pages, k_max_listed_tags));
    MRUN_ASSIGN(const HttpReply reply, call_again("GET", url, {.headers = {{"Accept", "application/json"}}}));
    if (reply.status != 200)
      return refused(reply, fmt::format("repository {}", m_registry.config().repository));
    MRUN_ASSIGN(const std::vector<std::string> page, parse_tags(reply.body));
    found.insert(page.begin(), page.end());
    const std::string next = next_link(reply);
    if (next.empty()) break;
    MRUN_ASSIGN(url, url.resolve(next));
    if (!url.same_origin(m_registry.base()))
      return fail(ErrorCode::registry_url, "the list of tags goes on at another host");
  }
  return std::vector<std::string>(found.begin(), found.end());
}

// ---- small blobs
// -------------------------------------------------------------------------------------------

Result<bool> RegistryConnection::has_blob(const BlobClaim& blob) {
  MRUN_ASSIGN(const HttpReply reply, call_again("HEAD", blob_url(blob.digest), {}));
  if (const auto there = says_there(reply, blob)) return *there;
  return refused(reply, fmt::format("blob {}", blob.digest.short_hex()));
}

Result<std::vector<bool>> RegistryConnection::have_blobs(std::span<const BlobClaim> blobs) {
  std::vector<bool> there(blobs.size());
  for (std::size_t first = 0; first < blobs.size(); first += k_most_questions) {
    const auto batch = blobs.subspan(first, std::min(k_most_questions, blobs.size() - first));
    MRUN_ASSIGN(const std::string header, m_registry.authenticator().header(m_session, m_registry.scope()));
    std::vector<HttpRequest> requests;
    for (const BlobClaim& blob : batch) {
      HttpRequest& request = requests.emplace_back();
      request.method = "HEAD";
      request.url = blob_url(blob.digest).text();
      request.nearest = AddressReach::special;
      if (!header.empty()) request.headers.emplace_back("Authorization", header);
    }
    const std::vector<Result<HttpReply>> replies = m_session.perform_all(requests);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto answer = replies[i] ? says_there(*replies[i], batch[i]) : std::nullopt;
      if (!replies[i] && !is_worth_retrying(replies[i].error())) return tl::unexpected(replies[i].error());
      if (answer) {
        there[first + i] = *answer;
      } else { // a token that ended, a server that is busy: one by one, with patience
        MRUN_ASSIGN(const bool one, has_blob(batch[i]));
        there[first + i] = one;
      }
    }
  }
  return there;
}

Result<std::string> RegistryConnection::read_blob(const Digest& digest, std::uint64_t size_bytes) {
  if (size_bytes > k_max_small_blob_bytes)
    return fail(ErrorCode::registry_reply,
                fmt::format("blob {} claims {}, at most {} are read at once", digest.short_hex(),
                            format_bytes(size_bytes), format_bytes(k_max_small_blob_bytes)));
  std::string bytes;
  BlobDownload download{.digest = digest,
                        .size_bytes = size_bytes,
                        .offset = 0,
                        .sink = [&](std::string_view more) -> Result<void> {
                          bytes += more;
                          return {};
                        },
                        .restart = [&]() -> Result<void> {
                          bytes.clear();
                          return {};
                        }};
  MRUN_TRY(get_blob(download));
  if (Sha256::of(bytes) != digest)
    return fail(ErrorCode::digest_mismatch,
                fmt::format("what came as blob {} is something else", digest.short_hex()));
  return bytes;
}

} // namespace mrun
