// HTTP over libcurl, one exchange at a time: what the registry client stands on.
//
// A session keeps its connections, offers HTTP/2, verifies TLS against the system's roots, sends nothing that
// it was not given (no cookies, no .netrc) and follows no redirect: its caller decides where credentials may
// go. What a server sends is untrusted: header and body sizes are bounded, a transfer that stalls is ended.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include "common/error.h"

namespace mrun {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// A body that is read when it is sent. libcurl may ask for an earlier offset again (a connection that had
// died).
struct HttpSource {
  std::uint64_t size_bytes = 0;
  std::function<Result<std::size_t>(std::uint64_t offset, std::span<char> to)> read;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url = {};
  HttpHeaders headers = {};
  std::string body = {};                          // sent unless there is a source
  const HttpSource* source = nullptr;             // of a PUT, POST or PATCH
  std::size_t max_reply_bytes = 4u * 1024 * 1024; // of a body that goes into HttpReply::body
  std::chrono::seconds stall_timeout{60};         // without a byte in either direction
  bool user_named_host = true; // false: a server gave the URL, so it may not lead into a private network
};

struct HttpReply {
  int status = 0;
  HttpHeaders headers = {}; // names in lower case, in the order they came
  std::string body = {};

  std::string header(std::string_view lower_name) const; // the first one; "" when absent
  std::vector<std::string> all_headers(std::string_view lower_name) const;
};

// Gets the body of a 200 or 206 as it comes, after the head is known; an error ends the exchange and is
// returned.
using HttpSink = std::function<Result<void>(const HttpReply& head, std::string_view bytes)>;

struct HttpOptions {
  std::string user_agent;
  int interrupt_fd = -1; // readable: give up (error `interrupted_by_user`)
};

// One thread at a time.
class HttpSession {
 public:
  explicit HttpSession(HttpOptions options);
  HttpSession(HttpSession&&) noexcept;
  HttpSession& operator=(HttpSession&&) noexcept;
  ~HttpSession();

  // A reply of any status is a value. Errors: registry_unreachable (no connection, or it broke or stalled:
  // worth another try), registry_tls, registry_reply (too large, not HTTP), registry_url, and what source or
  // sink gave.
  Result<HttpReply> perform(const HttpRequest& request, const HttpSink& sink = nullptr);

 private:
  struct Impl;
  std::unique_ptr<Impl> m_impl;
};

// An address that a stranger's URL may not lead to: loopback, private, shared, link-local, unspecified,
// multicast, reserved, and IPv6 forms of these (RFC 1918, 4193, 4291, 6598, 6890). What is no IP address
// counts as private.
bool is_private_address(const sockaddr& address);

} // namespace mrun
