// One repository of an OCI registry, by the distribution specification 1.1 (ids of its "end-N" in the code).
//
// A Registry is what threads share: address, tokens, policy. A RegistryConnection is one thread's: sessions
// are not shared. Everything a registry says is untrusted; nothing of a credential or a query string is ever
// shown.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/limits.h"
#include "packager/registry/auth.h"
#include "packager/registry/http.h"
#include "packager/registry/retry.h"
#include "packager/store.h"

namespace mrun {

struct RemoteManifest {
  Digest digest;
  std::string media_type;
  std::string bytes; // as they came: their digest is the identity; "" after head()
  std::uint64_t size_bytes = 0;
  std::string etag = {}; // of get(), for ManifestUpload::if_match
};

struct ManifestUpload {
  std::string reference; // a tag or a digest
  std::string media_type;
  std::string bytes;
  std::string if_match = {}; // only in place of the one with this etag, where the registry heeds it
};
struct ManifestTaken {
  bool is_outdated = false; // 412: another one came in between, nothing was done
  std::string subject;      // OCI-Subject: the registry keeps the list of referrers itself
};

// An artifact that belongs to another one (`subject`), as the registry lists it: nothing of it is verified.
struct Referrer {
  Digest digest;
  std::uint64_t size_bytes = 0;
  std::string artifact_type; // "" when the list doesn't say
};

struct RegistryConfig {
  std::string host;       // host[:port] as the user wrote it
  std::string repository; // without host
  Credentials credentials{std::vector<std::filesystem::path>{}};
  std::optional<Credential> credential;        // instead of `credentials`
  std::vector<std::string> token_servers = {}; // elsewhere, that may have the credentials (token_servers.h)
  bool push = false;                           // tokens for pushing, too
  int interrupt_fd = -1;                       // readable: the user wants to stop
  const Clock* clock = nullptr;                // system_clock() unless a test moves it
};

// What is on the wire. Bytes are those of blobs, and those that had to go again count again.
struct BlobTraffic {
  std::atomic<std::uint64_t> received_bytes = 0;
  std::atomic<std::uint64_t> sent_bytes = 0;
  std::atomic<int> in_trouble = 0; // connections that try again
};

// How a registry takes blobs, as its answers have told.
struct UploadHabits {
  std::atomic<bool> at_once = true;    // a small blob with the request that begins an upload (end-4b)
  std::atomic<bool> one_piece = false; // large ones too: its chunks differ from the specification
  std::atomic<std::uint64_t> chunk_bytes = 64 * k_mib;
};

class Registry {
 public:
  // Plain HTTP for loopback hosts, else HTTPS. Error reference_invalid for a host that is none.
  static Result<std::unique_ptr<Registry>> make(RegistryConfig config);

  const RegistryConfig& config() const { return m_config; }
  const Url& base() const { return m_base; }
  Authenticator& authenticator() { return m_authenticator; }
  std::string scope() const { return repository_scope(m_config.repository, m_config.push); }

  UploadHabits& habits() { return m_habits; }
  BlobTraffic& traffic() { return m_traffic; }
  // Which servers have answered, whatever they said: this one, and those that it led to.
  void note_answer(const Url& url);
  bool has_answered(const Url& url);

 private:
  Registry(RegistryConfig config, Url base);
  RegistryConfig m_config;
  Url m_base;
  Authenticator m_authenticator;
  UploadHabits m_habits;
  BlobTraffic m_traffic;
  std::mutex m_mutex;
  std::vector<Url> m_answered; // one an origin; under m_mutex
};

using ByteSink = std::function<Result<void>(std::string_view bytes)>;

// A blob's bytes on their way in: where to go on after a broken connection is what the sink has.
struct BlobDownload {
  Digest digest;
  std::uint64_t size_bytes = 0;
  std::uint64_t offset = 0; // the bytes before are here already; moves as bytes come
  std::optional<std::uint64_t> end_bytes = std::nullopt; // only up to here
  ByteSink sink;
  // The server can't begin in the middle: forget what came, offset is 0 again. (Of a range: an error.)
  std::function<Result<void>()> restart;
  int restarts = 0; // so far
};

struct BlobUpload {
  Digest digest;
  HttpSource source;
  std::string mount_from = {}; // another repository of this registry that may have it; "" for none
  std::function<void(std::uint64_t sent_bytes)> on_progress = nullptr;
};

class RegistryConnection {
 public:
  explicit RegistryConnection(Registry& registry)
      : RegistryConnection(registry, registry.config().interrupt_fd) {}
  // Gives up when `interrupt_fd` is readable, instead of the registry's own.
  RegistryConnection(Registry& registry, int interrupt_fd);
  RegistryConnection(const RegistryConnection&) = delete;
  RegistryConnection& operator=(const RegistryConnection&) = delete;
  ~RegistryConnection() { set_in_trouble(false); }

  const std::string& host() const { return m_registry.config().host; }
  int interrupt_fd() const { return m_interrupt_fd; }

  // The version check (end-1); used by login, so that wrong credentials are known at once. A registry that
  // lets strangers in is asked again with them: it may refuse them all the same. False: it asked for none, so
  // they may be right or wrong. What is no registry (404: some answer nothing there) gets none unasked.
  Result<bool> ping();

  // By tag or digest (end-3). The digest of what came is computed here, and compared with what was asked for.
  // Errors: remote_not_found, registry_*, digest_mismatch.
  Result<RemoteManifest> get_manifest(const std::string& reference);
  Result<std::optional<RemoteManifest>> head_manifest(const std::string& reference); // nullopt: not there
  Result<ManifestTaken> put_manifest(const ManifestUpload& upload);

  // What refers to a manifest (end-12), of one type, at most k_max_signatures and one more; from the tag
  // `sha256-<hex>` where the registry has no such list. Errors: registry_*.
  Result<std::vector<Referrer>> referrers(const Digest& subject, const std::string& artifact_type);
  // Puts a manifest that has a `subject`; where the registry does not list it by itself, into the tag's
  // index, once. Its blobs are there already.
  Result<void> put_referrer(const Digest& subject, const std::string& manifest);

  // Of each whether the repository has it, many questions at once.
  Result<std::vector<bool>> have_blobs(std::span<const BlobClaim> blobs);
  Result<bool> has_blob(const BlobClaim& blob);
  // Streams; resumes where it broke; more or fewer bytes than size_bytes is an error. The content is the
  // caller's to hash. Errors: remote_not_found, registry_*.
  Result<void> get_blob(BlobDownload& download);
  // A small one, whole and verified. Error digest_mismatch.
  Result<std::string> read_blob(const Digest& digest, std::uint64_t size_bytes);
  // False: no byte was sent, since it could be mounted from the other repository.
  Result<bool> push_blob(const BlobUpload& upload);

  // All tags (end-8), sorted; follows Link.
  Result<std::vector<std::string>> tags();

 private:
  friend class UploadSession;
  Url endpoint(std::string_view rest) const; // /v2/NAME/rest
  Url blob_url(const Digest& digest) const { return endpoint("blobs/" + digest.text()); }
  // Authorizes at home, asks for a new token after a 401. One try. `scope`: "" for the registry's own.
  Result<HttpReply> call(const std::string& method, const Url& url, HttpRequest request,
                         const HttpSink& sink = nullptr, std::string scope = {});
  // Waits before the next try, after a reply, or when the last connection broke; Retry::again().
  Result<bool> again(Retry& retry, std::optional<std::chrono::seconds> asked_for, bool broke);
  void set_in_trouble(bool in_trouble);
  // call() or follow(), with retries for what may pass.
  Result<HttpReply> call_again(const std::string& method, const Url& url, const HttpRequest& request);
  Result<HttpReply> follow(Url url, HttpRequest request, const HttpSink& sink);
  Result<std::optional<HttpReply>> download_once(BlobDownload& download);
  Result<std::vector<Referrer>> referrers_by_tag(const Digest& subject, const std::string& artifact_type);
  Result<void> list_referrer(const Digest& subject, const std::string& manifest);
  // Where a reply sends us: resolved, and refused when that would leave TLS or the machine in plain HTTP.
  Result<Url> next_place(const Url& from, const std::string& location) const;
  tl::unexpected<Error> refused(const HttpReply& reply, std::string_view what) const;

  Registry& m_registry;
  int m_interrupt_fd;
  bool m_in_trouble = false;   // it tries again, and no answer has come since
  bool m_broke_midway = false; // the last call: a server that had answered before could not be reached
  HttpSession m_session;
};

} // namespace mrun
