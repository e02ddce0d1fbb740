// A blob's way out: sent in one piece or in chunks (end-4a, 5, 6, 13).
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"
#include "packager/registry/registry.h"

namespace mrun {
namespace {

constexpr std::uint64_t k_chunk_bytes = 64 * k_mib; // up to here in one piece
// A registry may hash or move what it got before it answers.
constexpr std::chrono::seconds k_commit_patience{300};

// Registries whose chunked upload differs from the specification (kitops:
// pkg/lib/repo/remote/upload-format.go).
bool takes_one_piece_only(std::string_view host) {
  return host == "ghcr.io" || host == "gcr.io" || host.ends_with(".gcr.io") || host.ends_with(".pkg.dev") ||
         host.ends_with(".amazonaws.com") || host == "public.ecr.aws";
}

// "0-b" or "bytes=0-b" → b + 1 bytes are there.
std::optional<std::uint64_t> received_bytes(const HttpReply& reply) {
  std::string_view text;
  const std::string header = reply.header("range");
  text = header;
  if (text.starts_with("bytes=")) text.remove_prefix(6);
  if (!text.starts_with("0-")) return std::nullopt;
  std::uint64_t last = 0;
  const auto [end, failed] = std::from_chars(text.data() + 2, text.data() + text.size(), last);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  // A session without bytes answers 0-0, as does one with a single byte.
  return last == 0 ? 0 : last + 1;
}

} // namespace

// One upload session of one blob. It lives over several tries: what the registry has is not sent again.
class UploadSession {
 public:
  UploadSession(RegistryConnection& connection, const BlobUpload& upload)
      : m_connection(connection),
        m_upload(upload) {}

  // One try. False: worth another one.
  Result<bool> go() {
    m_wait.reset();
    if (m_tried) { // the last try may have done it, with its answer lost
      MRUN_ASSIGN(const bool there, m_connection.has_blob(m_upload.digest, size()));
      if (there) return true;
    }
    m_tried = true;
    if (!m_location) {
      MRUN_ASSIGN(const bool began, begin());
      if (!began) return false;
    }
    return in_one_piece() ? send_whole() : send_chunks();
  }
  std::optional<std::chrono::seconds> asked_wait() const { return m_wait; }
  std::uint64_t sent() const { return m_sent; }

 private:
  std::uint64_t size() const { return m_upload.source.size_bytes; }
  bool in_one_piece() const {
    return size() <= std::max(k_chunk_bytes, m_min_chunk_bytes) ||
           takes_one_piece_only(m_connection.m_registry.base().host);
  }

  // A reply that may pass: false, for go(). Any other is its error.
  Result<bool> refused_for_now(const HttpReply& reply) {
    m_wait = retry_after(reply);
    if (is_worth_retrying(reply)) return false;
    return m_connection.refused(reply, fmt::format("blob {}", m_upload.digest.short_hex()));
  }

  Result<bool> begin() {
    const Url url = m_connection.endpoint("blobs/uploads/");
    MRUN_ASSIGN(const HttpReply reply, m_connection.call("POST", url, {}));
    if (reply.status != 202) return refused_for_now(reply);
    m_sent = 0;
    const std::string least = reply.header("oci-chunk-min-length");
    std::from_chars(least.data(), least.data() + least.size(), m_min_chunk_bytes);
    MRUN_TRY(take_location(reply, url));
    return true;
  }

  Result<void> take_location(const HttpReply& reply, const Url& base) {
    const std::string location = reply.header("location");
    if (location.empty())
      return fail(ErrorCode::registry_reply, "the registry began an upload and did not say where");
    MRUN_ASSIGN(Url next, base.resolve(location));
    if (base.scheme == "https" && next.scheme != "https")
      return fail(ErrorCode::registry_url, fmt::format("{} wants the upload over plain http", base.host));
    m_location = std::move(next);
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
    const HttpSource part{length, [&](std::uint64_t offset, std::span<char> to) -> Result<std::size_t> {
                            const std::size_t want = std::min<std::uint64_t>(to.size(), length - offset);
                            MRUN_ASSIGN(const std::size_t got,
                                        m_upload.source.read(first + offset, to.first(want)));
                            if (m_upload.on_progress) m_upload.on_progress(first + offset + got);
                            return got;
                          }};
    HttpRequest request{.source = &part, .stall_timeout = k_commit_patience};
    if (method == "PATCH")
      request.headers.emplace_back("Content-Range", fmt::format("{}-{}", first, first + length - 1));
    return m_connection.call(method, url, std::move(request));
  }

  Result<bool> send_whole() {
    const Url url = finishing_url();
    m_location.reset(); // used up, whatever comes
    MRUN_ASSIGN(const HttpReply reply, send("PUT", url, 0, size()));
    if (reply.status != 201) return refused_for_now(reply);
    return true;
  }

  // What the registry has of a session that broke; without an answer a new one begins.
  Result<void> ask_how_far() {
    MRUN_ASSIGN(const HttpReply reply, m_connection.call("GET", *m_location, {}));
    const auto received = received_bytes(reply);
    if ((reply.status != 204 && reply.status != 200) || !received || *received > size()) {
      m_location.reset();
      return {};
    }
    m_sent = *received;
    return reply.header("location").empty() ? Result<void>() : take_location(reply, *m_location);
  }

  Result<bool> send_chunks() {
    if (std::exchange(m_broken, true)) MRUN_TRY(ask_how_far());
    if (!m_location) return false;
    while (m_sent < size()) {
      const std::uint64_t length = std::min(std::max(k_chunk_bytes, m_min_chunk_bytes), size() - m_sent);
      MRUN_ASSIGN(const HttpReply reply, send("PATCH", *m_location, m_sent, length));
      if (reply.status == 404 || reply.status == 416) { // the session is gone, or holds something else
        m_location.reset();
        return false;
      }
      if (reply.status != 202) return refused_for_now(reply);
      // Registries append blindly: only this answer tells what they have.
      const auto received = received_bytes(reply);
      if (received && *received != m_sent + length) {
        m_location.reset();
        return false;
      }
      m_sent += length;
      MRUN_TRY(take_location(reply, *m_location));
    }
    MRUN_ASSIGN(const HttpReply reply, m_connection.call("PUT", finishing_url(), {}));
    if (reply.status == 404 || reply.status == 416) {
      m_location.reset();
      return false;
    }
    if (reply.status != 201) return refused_for_now(reply);
    return true;
  }

  RegistryConnection& m_connection;
  const BlobUpload& m_upload;
  std::optional<Url> m_location;
  std::uint64_t m_sent = 0; // bytes that the registry is known to have
  std::uint64_t m_min_chunk_bytes = 0;
  std::optional<std::chrono::seconds> m_wait;
  bool m_tried = false;
  bool m_broken = false; // a try with this session has ended early
};

Result<void> RegistryConnection::push_blob(const BlobUpload& upload) {
  Retry retry(m_interrupt_fd);
  UploadSession session(*this, upload);
  while (true) {
    const std::uint64_t before = session.sent();
    const Result<bool> ended = session.go();
    if (ended && *ended) return {};
    if (!ended && !is_worth_retrying(ended.error())) return tl::unexpected(ended.error());
    if (session.sent() > before) retry.progressed();
    MRUN_ASSIGN(const bool go_on, retry.again(session.asked_wait()));
    if (go_on) continue;
    if (!ended) return tl::unexpected(ended.error());
    return fail(ErrorCode::registry_unavailable,
                fmt::format("{} did not take blob {} in {} tries", m_registry.config().host,
                            upload.digest.short_hex(), Retry::k_attempts));
  }
}

} // namespace mrun
