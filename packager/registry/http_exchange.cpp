#include "packager/registry/http_exchange.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "packager/registry/url.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_header_bytes = 64 * 1024; // of all heads of an exchange: a 1xx has one, too
constexpr std::size_t k_max_headers = 200;
constexpr std::size_t k_max_error_body_bytes = 64 * 1024; // of a reply that is no success
constexpr std::size_t k_max_authorities_bytes = 4 * k_mib;
constexpr std::chrono::seconds k_connect_timeout{15};
constexpr std::chrono::seconds k_small_reply_timeout{300}; // of what is neither a blob's way in nor out
constexpr std::uint64_t k_unasked_bytes = 64 * k_kib;      // a body up to here is sent without asking first
constexpr long k_least_bytes_per_second = 1024;
constexpr long k_transfer_buffer_bytes = 256 * 1024;

// A handshake that the network broke off says nothing of certificates: OpenSSL has these words for it.
bool broke_off(std::string_view words) {
  for (const char* reason :
       {"SSL_ERROR_SYSCALL", "reset by peer", "Broken pipe", "unexpected eof", "timed out"})
    if (words.find(reason) != std::string_view::npos) return true;
  return false;
}

ErrorCode error_code_of(CURLcode code, std::string_view words) {
  switch (code) {
  case CURLE_SSL_CONNECT_ERROR:
    return broke_off(words) ? ErrorCode::registry_unreachable : ErrorCode::registry_tls;
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_ISSUER_ERROR:
    return ErrorCode::registry_tls;
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_URL_MALFORMAT:
    return ErrorCode::registry_url;
  case CURLE_WEIRD_SERVER_REPLY:
  case CURLE_BAD_CONTENT_ENCODING:
    return ErrorCode::registry_reply;
  case CURLE_OUT_OF_MEMORY:
    return ErrorCode::resources;
  default:
    return ErrorCode::registry_unreachable;
  }
}

// The roots of this exchange as PEM: libcurl takes a file or a text, not both.
Result<std::string> all_authorities(CURL* easy, const TlsTrust& trust) {
  std::string file = trust.authorities_file;
  char* usual = nullptr;
  if (file.empty() && curl_easy_getinfo(easy, CURLINFO_CAINFO, &usual) == CURLE_OK && usual != nullptr)
    file = usual;
  if (file.empty()) return trust.authorities;
  MRUN_ASSIGN(const std::string roots,
              read_file(file, k_max_authorities_bytes, ErrorCode::registry_tls, ErrorCode::registry_tls));
  return trust.authorities + roots;
}

} // namespace

// ---- what comes ------------------------------------------------------------------------------------------

std::size_t HttpExchange::on_header(char* data, std::size_t, std::size_t size, void* self) {
  return static_cast<HttpExchange*>(self)->take_header({data, size}) ? size : 0;
}

bool HttpExchange::take_header(std::string_view line) {
  m_header_bytes += line.size();
  if (m_header_bytes > k_max_header_bytes || m_reply.headers.size() >= k_max_headers) {
    m_failure = fail(ErrorCode::registry_reply, "the reply's head is too large").value();
    return false;
  }
  if (line.starts_with("HTTP/")) { // of a 100, or the real one
    m_reply = {};
    return true;
  }
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos)
    m_reply.headers.emplace_back(lower_ascii(trim(line.substr(0, colon))),
                                 std::string(trim(line.substr(colon + 1))));
  return true;
}

void HttpExchange::read_status() {
  long status = 0;
  char* address = nullptr;
  curl_easy_getinfo(m_easy.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(m_easy.get(), CURLINFO_PRIMARY_IP, &address);
  m_reply.status = static_cast<int>(status);
  m_reply.reach = m_proxied ? AddressReach::open : reach_of(address);
}

std::size_t HttpExchange::on_body(char* data, std::size_t, std::size_t size, void* self) {
  return static_cast<HttpExchange*>(self)->take_body({data, size}) ? size : 0;
}

bool HttpExchange::take_body(std::string_view bytes) {
  if (m_reply.status == 0) read_status();
  const bool success = m_reply.status == 200 || m_reply.status == 206;
  if (success && m_sink != nullptr) {
    Result<void> taken = (*m_sink)(m_reply, bytes);
    if (!taken) m_failure = std::move(taken).error();
    return !m_failure;
  }
  const std::size_t limit = success ? m_request->max_reply_bytes : k_max_error_body_bytes;
  if (bytes.size() <= limit - std::min(limit, m_reply.body.size())) {
    m_reply.body += bytes;
    return true;
  }
  if (success)
    m_failure =
        fail(ErrorCode::registry_reply, fmt::format("the reply has over {}", format_bytes(limit))).value();
  return false; // of an error page the beginning is enough
}

// ---- what goes -------------------------------------------------------------------------------------------

std::size_t HttpExchange::on_read(char* to, std::size_t, std::size_t size, void* self_pointer) {
  HttpExchange& self = *static_cast<HttpExchange*>(self_pointer);
  Result<std::size_t> got = self.m_request->source->read(self.m_offset, {to, size});
  if (!got) {
    self.m_failure = std::move(got).error();
    return CURL_READFUNC_ABORT;
  }
  self.m_offset += *got;
  self.set_patience();
  return *got;
}

// libcurl reads it again at each look at the speed.
void HttpExchange::set_patience() {
  const HttpSource* source = m_request->source;
  const bool all_read = source != nullptr && source->size_bytes > 0 && m_offset >= source->size_bytes;
  const auto patience = all_read ? m_request->answer_timeout : m_request->stall_timeout;
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(patience.count()));
}

int HttpExchange::on_seek(void* self, curl_off_t to, int origin) {
  if (origin != SEEK_SET || to < 0) return CURL_SEEKFUNC_FAIL;
  static_cast<HttpExchange*>(self)->m_offset = static_cast<std::uint64_t>(to);
  static_cast<HttpExchange*>(self)->set_patience();
  return CURL_SEEKFUNC_OK;
}

// What libcurl resolved is looked at before it connects, so a name can't lead where its address may not.
curl_socket_t HttpExchange::on_socket(void* self_pointer, curlsocktype, curl_sockaddr* address) {
  HttpExchange& self = *static_cast<HttpExchange*>(self_pointer);
  if (!self.m_proxied && reach_of(address->addr) > self.m_request->nearest) {
    self.m_failure =
        fail(ErrorCode::registry_url, "the registry points to an address inside a private network",
             "only a host that you name may be there; name the registry by its private address, or tell its "
             "operator")
            .value();
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// ---- the whole -------------------------------------------------------------------------------------------

void HttpExchange::set_common(const HttpOptions& options) {
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_ERRORBUFFER, m_words.data());
  set(CURLOPT_USERAGENT, options.user_agent.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(CURLOPT_PIPEWAIT, 1L); // for the first connection, which may speak HTTP/2
  set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(k_connect_timeout.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, k_least_bytes_per_second);
  set_patience();
  if (m_sink == nullptr && m_request->source == nullptr)
    set(CURLOPT_TIMEOUT, static_cast<long>(k_small_reply_timeout.count()));
  set(CURLOPT_BUFFERSIZE, k_transfer_buffer_bytes);
  set(CURLOPT_UPLOAD_BUFFERSIZE, k_transfer_buffer_bytes);
  set(CURLOPT_HEADERFUNCTION, &HttpExchange::on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_WRITEFUNCTION, &HttpExchange::on_body);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_OPENSOCKETFUNCTION, &HttpExchange::on_socket);
  set(CURLOPT_OPENSOCKETDATA, this);
}

void HttpExchange::set_trust(const TlsTrust& trust) {
  if (!trust.authorities_file.empty()) set(CURLOPT_CAINFO, trust.authorities_file.c_str());
  if (!trust.authorities_folder.empty()) set(CURLOPT_CAPATH, trust.authorities_folder.c_str());
  if (!trust.certificate_file.empty()) {
    set(CURLOPT_SSLCERT, trust.certificate_file.c_str());
    set(CURLOPT_SSLKEY, trust.key_file.c_str());
  }
}

void HttpExchange::set_body() {
  if (m_request->method == "HEAD") return set(CURLOPT_NOBODY, 1L);
  if (m_request->source != nullptr) {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_READFUNCTION, &HttpExchange::on_read);
    set(CURLOPT_READDATA, this);
    set(CURLOPT_SEEKFUNCTION, &HttpExchange::on_seek);
    set(CURLOPT_SEEKDATA, this);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(m_request->source->size_bytes));
  } else if (m_request->method != "GET") {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDS, m_request->body.data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(m_request->body.size()));
  }
  set(CURLOPT_CUSTOMREQUEST, m_request->method.c_str());
}

Result<void> HttpExchange::begin(const HttpRequest& request, const HttpSink* sink, const HttpOptions& options,
                                 const TlsTrust* trust, const std::string& proxy) {
  m_request = &request;
  m_sink = sink;
  m_began_ns = system_clock().monotonic_ns();
  m_proxied = !proxy.empty();
  m_reply = {};
  m_header_bytes = 0;
  m_offset = 0;
  m_failure.reset();
  m_words[0] = '\0';
  if (std::exchange(m_reusable, false))
    curl_easy_reset(m_easy.get());
  else
    m_easy.reset(curl_easy_init());
  set_common(options);
  set(CURLOPT_PROXY, proxy.c_str()); // also "": no variable of the environment counts any more
  set(CURLOPT_NOPROXY, "");
  set_body();
  if (trust != nullptr) {
    set_trust(*trust);
    if (!trust->authorities.empty()) {
      MRUN_ASSIGN(const std::string roots, all_authorities(m_easy.get(), *trust));
      curl_blob blob{const_cast<char*>(roots.data()), roots.size(), CURL_BLOB_COPY};
      set(CURLOPT_CAINFO_BLOB, &blob);
    }
  }
  curl_slist* list = nullptr;
  for (const auto& [name, value] : request.headers)
    list = curl_slist_append(list, fmt::format("{}: {}", name, value).c_str());
  const bool has_body = request.source != nullptr || request.method == "POST" || request.method == "PUT";
  const bool typed = std::ranges::any_of(
      request.headers, [](const auto& h) { return lower_ascii(h.first) == "content-type"; });
  if (has_body && !typed) list = curl_slist_append(list, "Content-Type: application/octet-stream");
  // A registry that answers without reading the body says no 100, and libcurl would wait a second for it.
  if (request.source != nullptr && request.source->size_bytes <= k_unasked_bytes)
    list = curl_slist_append(list, "Expect:");
  m_headers.reset(list);
  set(CURLOPT_HTTPHEADER, list);
  if (curl_easy_setopt(m_easy.get(), CURLOPT_URL, request.url.c_str()) != CURLE_OK)
    return fail(ErrorCode::registry_url, "the URL can't be read");
  return {};
}

// Neither headers nor queries: they hold tokens and signatures. Of a host that the user did not name not even
// the path, which may be a secret link.
void HttpExchange::log_end(std::string_view words) const {
  if (log_level() < LogLevel::debug) return;
  const auto url = Url::parse(m_request->url);
  const std::string where = url ? fmt::format("{}://{}{}", url->scheme, url->authority(),
                                              m_request->nearest == AddressReach::special ? url->path : "/…")
                                : "an unreadable URL";
  log_debug("{} {}: {} {} ms{}{}", m_request->method, where, m_reply.status,
            (system_clock().monotonic_ns() - m_began_ns) / 1'000'000, words.empty() ? "" : ", ", words);
}

Result<HttpReply> HttpExchange::take_result(CURLcode ended) {
  read_status();
  log_end(m_failure ? m_failure->message : ended == CURLE_OK ? "" : curl_easy_strerror(ended));
  if (m_failure) return tl::unexpected(*std::exchange(m_failure, std::nullopt));
  m_reusable = ended == CURLE_OK;
  // A server may refuse a body before it has read it all, and close: its words count, not the broken pipe.
  // The beginning of an error page is enough, too.
  const bool refused_early =
      m_reply.status >= 400 && (ended == CURLE_SEND_ERROR || ended == CURLE_WRITE_ERROR);
  if (ended == CURLE_OK || refused_early) return std::move(m_reply);
  const std::string words = m_words[0] != '\0' ? m_words.data() : curl_easy_strerror(ended);
  return fail(error_code_of(ended, words), words);
}

} // namespace mrun
