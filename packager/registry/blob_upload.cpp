// A blob's way out: mounted, sent with the first request, in one piece or in chunks (end-4a, 4b, 11, 5, 6,
// 13).
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"
#include "packager/registry/registry.h"
#include "packager/registry/replies.h"

namespace mrun {
namespace {

constexpr std::uint64_t k_least_chunk_bytes = 1 * k_mib;
constexpr std::uint64_t k_at_once_bytes = 64 * k_kib;
// A registry may hash or move what it got before it answers.
constexpr std::chrono::seconds k_commit_patience{300};

// Registries whose chunked upload differs from the specification (kitops:
// pkg/lib/repo/remote/upload-format.go).
bool takes_one_piece_only(std::string_view host) {
  return host == "ghcr.io" || host == "gcr.io" || host.ends_with(".gcr.io") || host.ends_with(".pkg.dev") ||
         host.ends_with(".amazonaws.com") || host == "public.ecr.aws";
}

} // namespace

// One upload of one blob. It lives over several tries: what the registry has is not sent again.
class UploadSession {
 public:
  UploadSession(RegistryConnection& connection, const BlobUpload& upload)
      : m_connection(connection),
        m_upload(upload),
        m_habits(connection.m_registry.habits()) {
    if (takes_one_piece_only(connection.m_registry.base().host)) m_habits.one_piece = true;
  }

  // One try. False: worth another one.
  Result<bool> go() {
    m_wait.reset();
    if (std::exchange(m_tried, true)) { // the last try may have done it, with its answer lost
      MRUN_ASSIGN(const HttpReply reply,
                  m_connection.call("HEAD", m_connection.blob_url(m_upload.digest), {}));
      const auto there = says_there(reply, {m_upload.digest, size()});
      if (!there) return refused_for_now(reply);
      if (*there) return true;
    }
    if (m_location && m_broken) MRUN_TRY(ask_how_far());
    if (!m_location) {
      MRUN_ASSIGN(const bool began, begin());
      if (!began) return false;
    }
    if (!m_location) return true; // begun and done
    return m_habits.one_piece || size() <= chunk() ? send_whole() : send_chunks();
  }
  std::optional<std::chrono::seconds> asked_wait() const { return m_wait; }
  std::uint64_t known() const { return m_known; }
  bool was_mounted() const { return m_mounted; }

 private:
  std::uint64_t size() const { return m_upload.source.size_bytes; }
  std::uint64_t chunk() const { return std::max(m_habits.chunk_bytes.load(), m_min_chunk_bytes); }

  // A reply that may pass: false, for go(). Any other is its error.
  Result<bool> refused_for_now(const HttpReply& reply) {
    m_wait = retry_after(reply);
    if (is_worth_retrying(reply)) return false;
    return m_connection.refused(reply, fmt::format("blob {}", m_upload.digest.short_hex()));
  }
  // The session is gone, or holds something else: the next try begins anew.
  bool lost() {
    m_location.reset();
    m_known = 0;
    return false;
  }

  // True with a place to send to, or without one when that was all.
  Result<bool> begin() {
    MRUN_ASSIGN(const bool mounted, mount());
    if (mounted || m_location) return true;
    Url url = m_connection.endpoint("blobs/uploads/");
    const bool at_once = size() <= k_at_once_bytes && m_habits.at_once;
    if (at_once) url.query = "digest=" + percent_encode(m_upload.digest.text());
    MRUN_ASSIGN(const HttpReply reply,
                at_once ? send("POST", url, 0, size()) : m_connection.call("POST", url, {}));
    if (at_once && reply.status == 201) return true;
    if (at_once) m_habits.at_once = false;
    if (at_once && reply.status >= 400 && reply.status < 500 && reply.status != 429)
      return begin(); // it may not know the parameter
    if (reply.status != 202) return refused_for_now(reply);
    MRUN_TRY(begun(reply, url));
    return true;
  }

  // True: the other repository's blob is this one's now. An upload that the registry began instead is used;
  // else the ordinary way is left.
  Result<bool> mount() {
    if (m_upload.mount_from.empty() || std::exchange(m_mount_tried, true)) return false;
    Url url = m_connection.endpoint("blobs/uploads/");
    url.query = fmt::format("mount={}&from={}", percent_encode(m_upload.digest.text()),
                            percent_encode(m_upload.mount_from));
    const std::string scope =
        m_connection.m_registry.scope() + " " + repository_scope(m_upload.mount_from, false);
    const Result<HttpReply> reply = m_connection.call("POST", url, {}, nullptr, scope);
    if (!reply && reply.error().code == ErrorCode::interrupted_by_user) return tl::unexpected(reply.error());
    if (!reply) return false; // no right to read there, or a broken connection
    if (reply->status == 202) MRUN_TRY(begun(*reply, url));
    m_mounted = reply->status == 201;
    return m_mounted;
  }

  Result<void> begun(const HttpReply& reply, const Url& base) {
    m_known = 0;
    m_broken = false;
    m_min_chunk_bytes = least_chunk(reply);
    if (reply.header("location").empty())
      return fail(ErrorCode::registry_reply, "the registry began an upload and did not say where");
    return take_location(reply, base);
  }

  // Where the upload goes on, if the reply says so.
  Result<void> take_location(const HttpReply& reply, const Url& base) {
    const std::string location = reply.header("location");
    if (location.empty()) return {};
    MRUN_ASSIGN(m_location, m_connection.next_place(base, location));
    m_reach = reply.reach;
    return {};
  }

  Url finishing_url() const {
    Url url = *m_location;
    url.query +=
        fmt::format("{}digest={}", url.query.empty() ? "" : "&", percent_encode(m_upload.digest.text()));
    return url;
  }

  // The bytes from `first` on, `length` of them.
  Result<HttpReply> send(const std::string& method, const Url& url, std::uint64_t first,
                         std::uint64_t length) {
    const HttpSource part{
        length, [&](std::uint64_t offset, std::span<char> to) -> Result<std::size_t> {
          const std::size_t want = std::min<std::uint64_t>(to.size(), length - offset);
          MRUN_ASSIGN(const std::size_t got, m_upload.source.read(first + offset, to.first(want)));
          m_connection.m_registry.traffic().sent_bytes.fetch_add(got, std::memory_order_relaxed);
          if (m_upload.on_progress) m_upload.on_progress(first + offset + got);
          return got;
        }};
    HttpRequest request{.source = &part, .answer_timeout = k_commit_patience, .nearest = m_reach};
    if (method == "PATCH")
      request.headers.emplace_back("Content-Range", fmt::format("{}-{}", first, first + length - 1));
    return m_connection.call(method, url, std::move(request));
  }

  Result<bool> send_whole() {
    const Url url = finishing_url();
    m_location.reset(); // used up, whatever comes
    MRUN_ASSIGN(const HttpReply reply, send("PUT", url, 0, size()));
    if (reply.status == 413 && shrink_chunks(size())) return go_on_later(reply);
    if (reply.status == 404 || reply.status == 416) return go_on_later(reply);
    if (reply.status != 201) return refused_for_now(reply);
    return true;
  }

  // A proxy in between limits the size of a request. False: smaller pieces can't be.
  bool shrink_chunks(std::uint64_t refused_bytes) {
    if (m_habits.one_piece || refused_bytes <= k_least_chunk_bytes || refused_bytes <= m_min_chunk_bytes)
      return false;
    const std::uint64_t smaller = std::max(refused_bytes / 4, k_least_chunk_bytes);
    if (smaller < chunk()) m_habits.chunk_bytes = smaller;
    return true;
  }

  // A session that ended early is worth a new one a few times, not for ever: the caller counts.
  Result<bool> go_on_later(const HttpReply& reply) {
    if (++m_lost_sessions > k_most_lost_sessions) return refused_for_now(reply);
    return lost();
  }

  // What the registry has of a session; without a good answer it is lost.
  Result<void> ask_how_far() {
    MRUN_ASSIGN(const HttpReply reply, m_connection.call("GET", *m_location, {.nearest = m_reach}));
    const auto received = received_bytes(reply);
    if ((reply.status != 204 && reply.status != 200) || !received || *received > size()) {
      lost();
      return {};
    }
    m_known = *received;
    return take_location(reply, *m_location);
  }

  // After a PATCH that was not taken: in one piece where no chunk ever was, else the next try asks where the
  // registry is. It may have a reason for one; a registry that goes on refusing is left.
  Result<bool> chunk_refused(const HttpReply& reply, std::uint64_t length) {
    if (reply.status == 413) return shrink_chunks(length) ? go_on_later(reply) : refused_for_now(reply);
    if (m_known == 0 && reply.status == 416) m_habits.one_piece = true; // a limit of its own (ghcr.io: 4 MiB)
    if (m_known == 0 || reply.status == 404) return go_on_later(reply);
    if (++m_lost_sessions > k_most_lost_sessions) return refused_for_now(reply);
    return false;
  }

  Result<bool> send_chunks() {
    m_broken = true; // until it has all
    while (m_known < size() && size() - m_known >= m_min_chunk_bytes) {
      const std::uint64_t length = std::min(chunk(), size() - m_known);
      MRUN_ASSIGN(const HttpReply reply, send("PATCH", *m_location, m_known, length));
      if (reply.status == 404 || reply.status == 413 || reply.status == 416)
        return chunk_refused(reply, length);
      if (reply.status == 201 && reply.header("location").empty()) { // Amazon ECR: no second one
        m_habits.one_piece = true;
        return go_on_later(reply);
      }
      if (reply.status != 202 && reply.status != 201) return refused_for_now(reply);
      // Registries append blindly: only this answer tells what they have.
      const auto received = received_bytes(reply);
      if (received && *received != m_known + length) return go_on_later(reply);
      m_known += length;
      MRUN_TRY(take_location(reply, *m_location));
    }
    // What is less than the registry's least chunk goes with the end.
    const std::uint64_t left = size() - m_known;
    MRUN_ASSIGN(const HttpReply reply,
                left == 0 ? m_connection.call("PUT", finishing_url(),
                                              {.stall_timeout = k_commit_patience, .nearest = m_reach})
                          : send("PUT", finishing_url(), m_known, left));
    if (reply.status == 404 || reply.status == 416) return go_on_later(reply);
    if (reply.status != 201) return refused_for_now(reply);
    return true;
  }

  static constexpr int k_most_lost_sessions = 5;

  RegistryConnection& m_connection;
  const BlobUpload& m_upload;
  UploadHabits& m_habits;
  std::optional<Url> m_location;
  AddressReach m_reach = AddressReach::open; // of who named the location
  std::uint64_t m_known = 0;                 // bytes that the registry is known to have
  std::uint64_t m_min_chunk_bytes = 0;
  std::optional<std::chrono::seconds> m_wait;
  int m_lost_sessions = 0;
  bool m_tried = false;
  bool m_mount_tried = false;
  bool m_mounted = false;
  bool m_broken = false; // chunks were sent: a try that comes again has ended early
};

Result<bool> RegistryConnection::push_blob(const BlobUpload& upload) {
  Retry retry(m_interrupt_fd);
  UploadSession session(*this, upload);
  std::uint64_t furthest = 0; // what is sent again after a lost session is no progress
  while (true) {
    const Result<bool> ended = session.go();
    if (ended && *ended) return !session.was_mounted();
    if (!ended && !is_worth_retrying(ended.error())) return tl::unexpected(ended.error());
    if (session.known() > furthest)
      retry.progressed(session.known() - std::exchange(furthest, session.known()));
    MRUN_ASSIGN(const bool go_on, again(retry, session.asked_wait(), !ended.has_value()));
    if (go_on) continue;
    if (!ended) return tl::unexpected(ended.error());
    return fail(ErrorCode::registry_unavailable,
                fmt::format("{} did not take blob {} in {} tries", m_registry.config().host,
                            upload.digest.short_hex(), Retry::k_attempts));
  }
}

} // namespace mrun
