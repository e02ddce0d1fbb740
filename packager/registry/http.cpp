#include "packager/registry/http.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>
#include <optional>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <unistd.h>

#include "common/text.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_header_bytes = 64 * 1024;
constexpr std::size_t k_max_headers = 200;
constexpr std::size_t k_max_error_body_bytes = 64 * 1024; // of a reply that is no success
constexpr std::chrono::seconds k_connect_timeout{15};
constexpr long k_transfer_buffer_bytes = 256 * 1024;

void init_library() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// A proxy resolves names itself, and its own address is nobody's business but the user's.
bool uses_proxy() {
  for (const char* name : {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"})
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return true;
  return false;
}

ErrorCode error_code_of(CURLcode code) {
  switch (code) {
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CONNECT_ERROR:
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

bool is_private_v4(std::uint32_t a) { // host order
  const auto in = [a](std::uint32_t network, int bits) {
    return (a >> (32 - bits)) == (network >> (32 - bits));
  };
  return in(0x00000000, 8) || in(0x0a000000, 8) || in(0x64400000, 10) || in(0x7f000000, 8) ||
         in(0xa9fe0000, 16) || in(0xac100000, 12) || in(0xc0000000, 24) || in(0xc0a80000, 16) ||
         in(0xc6120000, 15) || in(0xe0000000, 4) || in(0xf0000000, 4);
}

bool is_private_v6(const in6_addr& address) {
  const std::uint8_t* b = address.s6_addr;
  const auto v4_at = [b](int i) {
    return (std::uint32_t{b[i]} << 24) | (std::uint32_t{b[i + 1]} << 16) | (std::uint32_t{b[i + 2]} << 8) |
           b[i + 3];
  };
  const bool low_zero = std::all_of(b, b + 10, [](std::uint8_t byte) { return byte == 0; });
  if (low_zero && ((b[10] == 0xff && b[11] == 0xff) || (b[10] == 0 && b[11] == 0)))
    return is_private_v4(v4_at(12)); // mapped, compatible, ::, ::1
  if (b[0] == 0x00 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b) return is_private_v4(v4_at(12)); // NAT64
  if (b[0] == 0x20 && b[1] == 0x02) return is_private_v4(v4_at(2));                                  // 6to4
  return (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0xc0) >= 0x80) || b[0] == 0xff;
}

} // namespace

bool is_private_address(const sockaddr& address) {
  if (address.sa_family == AF_INET)
    return is_private_v4(ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr));
  if (address.sa_family == AF_INET6)
    return is_private_v6(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  return true;
}

std::string HttpReply::header(std::string_view lower_name) const {
  for (const auto& [name, value] : headers)
    if (name == lower_name) return value;
  return {};
}

std::vector<std::string> HttpReply::all_headers(std::string_view lower_name) const {
  std::vector<std::string> values;
  for (const auto& [name, value] : headers)
    if (name == lower_name) values.push_back(value);
  return values;
}

// ---- one exchange
// ------------------------------------------------------------------------------------------

struct HttpSession::Impl {
  using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
  using Multi = std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)>;
  using List = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

  explicit Impl(HttpOptions given) : options(std::move(given)), proxied(uses_proxy()) {}

  HttpOptions options;
  bool proxied;
  Multi multi{curl_multi_init(), &curl_multi_cleanup}; // keeps the connections
  Easy easy{curl_easy_init(), &curl_easy_cleanup};     // destroyed before the multi handle

  // Of the exchange under way.
  const HttpRequest* request = nullptr;
  const HttpSink* sink = nullptr;
  HttpReply reply;
  std::size_t header_bytes = 0;
  std::uint64_t offset = 0;     // of the source
  std::optional<Error> failure; // what a callback ended the exchange for

  std::size_t stop_with(Error error) {
    failure = std::move(error);
    return 0; // fewer than asked: libcurl gives up
  }

  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self) {
    return static_cast<Impl*>(self)->take_header({data, size}) ? size : 0;
  }
  bool take_header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > k_max_header_bytes || reply.headers.size() >= k_max_headers)
      return stop_with(fail(ErrorCode::registry_reply, "the reply's head is too large").value()) != 0;
    if (line.starts_with("HTTP/")) { // of a 100, or the real one
      reply = {};
      return true;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return true;
    reply.headers.emplace_back(lower_ascii(trim(line.substr(0, colon))),
                               std::string(trim(line.substr(colon + 1))));
    return true;
  }

  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self) {
    return static_cast<Impl*>(self)->take_body({data, size}) ? size : 0;
  }
  bool take_body(std::string_view bytes) {
    if (reply.status == 0) {
      long status = 0;
      curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
      reply.status = static_cast<int>(status);
    }
    const bool success = reply.status == 200 || reply.status == 206;
    if (success && sink != nullptr) {
      Result<void> taken = (*sink)(reply, bytes);
      if (!taken) stop_with(std::move(taken).error());
      return !failure;
    }
    const std::size_t limit = success ? request->max_reply_bytes : k_max_error_body_bytes;
    if (bytes.size() <= limit - std::min(limit, reply.body.size())) {
      reply.body += bytes;
      return true;
    }
    if (success)
      stop_with(
          fail(ErrorCode::registry_reply, fmt::format("the reply has over {}", format_bytes(limit))).value());
    return !success; // of an error page the beginning is enough
  }

  static std::size_t on_read(char* to, std::size_t, std::size_t size, void* self_pointer) {
    Impl& self = *static_cast<Impl*>(self_pointer);
    Result<std::size_t> got = self.request->source->read(self.offset, {to, size});
    if (!got) {
      self.failure = std::move(got).error();
      return CURL_READFUNC_ABORT;
    }
    self.offset += *got;
    return *got;
  }
  static int on_seek(void* self, curl_off_t to, int origin) {
    if (origin != SEEK_SET || to < 0) return CURL_SEEKFUNC_FAIL;
    static_cast<Impl*>(self)->offset = static_cast<std::uint64_t>(to);
    return CURL_SEEKFUNC_OK;
  }

  // What libcurl resolved is looked at before it connects, so a name can't lead where its address may not.
  static curl_socket_t on_socket(void* self_pointer, curlsocktype, curl_sockaddr* address) {
    Impl& self = *static_cast<Impl*>(self_pointer);
    if (!self.request->user_named_host && !self.proxied && is_private_address(address->addr)) {
      self.failure =
          fail(
              ErrorCode::registry_url, "the registry points to an address inside a private network",
              "only a host that you name may be there; name the registry by its private address, or tell its "
              "operator")
              .value();
      return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }

  template<class T>
  void set(CURLoption option, T value) {
    MRUN_CHECK(curl_easy_setopt(easy.get(), option, value) == CURLE_OK);
  }

  void set_common() {
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_USERAGENT, options.user_agent.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(k_connect_timeout.count()));
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(request->stall_timeout.count()));
    set(CURLOPT_BUFFERSIZE, k_transfer_buffer_bytes);
    set(CURLOPT_UPLOAD_BUFFERSIZE, k_transfer_buffer_bytes);
    set(CURLOPT_HEADERFUNCTION, &Impl::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(CURLOPT_WRITEFUNCTION, &Impl::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_OPENSOCKETFUNCTION, &Impl::on_socket);
    set(CURLOPT_OPENSOCKETDATA, this);
    // A connection made for a host that the user named must not serve a stranger's URL unchecked.
    set(CURLOPT_FRESH_CONNECT, request->user_named_host ? 0L : 1L);
  }

  void set_body() {
    if (request->method == "HEAD") return set(CURLOPT_NOBODY, 1L);
    if (request->source != nullptr) {
      set(CURLOPT_UPLOAD, 1L);
      set(CURLOPT_READFUNCTION, &Impl::on_read);
      set(CURLOPT_READDATA, this);
      set(CURLOPT_SEEKFUNCTION, &Impl::on_seek);
      set(CURLOPT_SEEKDATA, this);
      set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request->source->size_bytes));
    } else if (request->method != "GET") {
      set(CURLOPT_POST, 1L);
      set(CURLOPT_POSTFIELDS, request->body.data());
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request->body.size()));
    }
    set(CURLOPT_CUSTOMREQUEST, request->method.c_str());
  }

  List header_list() const {
    curl_slist* list = nullptr;
    for (const auto& [name, value] : request->headers)
      list = curl_slist_append(list, fmt::format("{}: {}", name, value).c_str());
    const bool has_body = request->source != nullptr || request->method == "POST" || request->method == "PUT";
    const bool typed = std::ranges::any_of(
        request->headers, [](const auto& h) { return lower_ascii(h.first) == "content-type"; });
    if (has_body && !typed) list = curl_slist_append(list, "Content-Type: application/octet-stream");
    return List(list, &curl_slist_free_all);
  }

  Result<CURLcode> run() {
    MRUN_CHECK(curl_multi_add_handle(multi.get(), easy.get()) == CURLM_OK);
    std::optional<CURLcode> ended;
    bool interrupted = false;
    while (!ended && !interrupted) {
      int running = 0;
      if (curl_multi_perform(multi.get(), &running) != CURLM_OK) break;
      int left = 0;
      while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left))
        if (message->msg == CURLMSG_DONE) ended = message->data.result;
      if (ended) break;
      curl_waitfd interrupt{options.interrupt_fd, CURL_WAIT_POLLIN, 0};
      const unsigned extra = options.interrupt_fd >= 0 ? 1 : 0;
      curl_multi_poll(multi.get(), &interrupt, extra, 1000, nullptr);
      interrupted = extra != 0 && interrupt.revents != 0;
    }
    curl_multi_remove_handle(multi.get(), easy.get());
    if (interrupted) return fail(ErrorCode::interrupted_by_user, "interrupted");
    if (!ended) return fail(ErrorCode::internal, "libcurl's event loop failed");
    return *ended;
  }

  Result<HttpReply> perform() {
    reply = {};
    header_bytes = 0;
    offset = 0;
    failure.reset();
    curl_easy_reset(easy.get());
    std::array<char, CURL_ERROR_SIZE> words{};
    set(CURLOPT_ERRORBUFFER, words.data());
    set_common();
    set_body();
    const List list = header_list();
    set(CURLOPT_HTTPHEADER, list.get());
    if (curl_easy_setopt(easy.get(), CURLOPT_URL, request->url.c_str()) != CURLE_OK)
      return fail(ErrorCode::registry_url, "the URL can't be read");
    const Result<CURLcode> ended = run();
    set(CURLOPT_ERRORBUFFER, static_cast<char*>(nullptr));
    set(CURLOPT_HTTPHEADER, static_cast<curl_slist*>(nullptr));
    if (!ended) return tl::unexpected(ended.error());
    if (failure) return tl::unexpected(*failure);
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    reply.status = static_cast<int>(status);
    // A server may refuse a body before it has read it all, and close: its words count, not the broken pipe.
    // The beginning of an error page is enough, too.
    const bool refused_early = status >= 400 && (*ended == CURLE_SEND_ERROR || *ended == CURLE_WRITE_ERROR);
    if (*ended == CURLE_OK || refused_early) return std::move(reply);
    return fail(error_code_of(*ended),
                words[0] != '\0' ? std::string(words.data()) : std::string(curl_easy_strerror(*ended)));
  }
};

HttpSession::HttpSession(HttpOptions options) {
  init_library();
  m_impl = std::make_unique<Impl>(std::move(options));
}
HttpSession::HttpSession(HttpSession&&) noexcept = default;
HttpSession& HttpSession::operator=(HttpSession&&) noexcept = default;
HttpSession::~HttpSession() = default;

Result<HttpReply> HttpSession::perform(const HttpRequest& request, const HttpSink& sink) {
  m_impl->request = &request;
  m_impl->sink = sink ? &sink : nullptr;
  Result<HttpReply> reply = m_impl->perform();
  m_impl->request = nullptr;
  m_impl->sink = nullptr;
  return reply;
}

} // namespace mrun
