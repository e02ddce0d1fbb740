// One request and its reply as libcurl sees them: the options, the callbacks, what has come so far.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <curl/curl.h>

#include "packager/registry/http.h"
#include "packager/registry/tls_trust.h"

namespace mrun {

// Used for one request after the other; not moved, since libcurl holds its address.
class HttpExchange {
 public:
  HttpExchange() = default;
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  // What the arguments point to stays until take_result(). `trust`: of an https URL; `proxy`: "" for none.
  Result<void> begin(const HttpRequest& request, const HttpSink* sink, const HttpOptions& options,
                     const TlsTrust* trust, const std::string& proxy);
  CURL* handle() const { return m_easy.get(); }
  Result<HttpReply> take_result(CURLcode ended);

 private:
  using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
  using List = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self);
  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* self);
  static std::size_t on_read(char* to, std::size_t, std::size_t size, void* self);
  static int on_seek(void* self, curl_off_t to, int origin);
  static curl_socket_t on_socket(void* self, curlsocktype, curl_sockaddr* address);
  bool take_header(std::string_view line);
  bool take_body(std::string_view bytes);
  void read_status();
  void log_end(std::string_view words) const; // one line of it, at level debug

  template<class T>
  void set(CURLoption option, T value) {
    MRUN_CHECK(curl_easy_setopt(m_easy.get(), option, value) == CURLE_OK);
  }
  void set_common(const HttpOptions& options);
  void set_trust(const TlsTrust& trust);
  void set_body();
  void set_patience(); // for a peer that does nothing, by how far the source was read

  Easy m_easy{curl_easy_init(), &curl_easy_cleanup};
  List m_headers{nullptr, &curl_slist_free_all};
  std::array<char, CURL_ERROR_SIZE> m_words{};
  const HttpRequest* m_request = nullptr;
  const HttpSink* m_sink = nullptr;
  bool m_proxied = false;
  bool m_reusable = true; // the handle: one of an exchange that broke off keeps some of its state
  std::int64_t m_began_ns = 0;
  HttpReply m_reply;
  std::size_t m_header_bytes = 0;
  std::uint64_t m_offset = 0;     // of the source
  std::optional<Error> m_failure; // what a callback ended the exchange for
};

} // namespace mrun
