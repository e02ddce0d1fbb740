// HTTP over libcurl: what the registry client stands on.
//
// A session keeps its connections, offers HTTP/2, verifies TLS (tls_trust.h), sends nothing that it was not
// given (no cookies, no .netrc) and follows no redirect: its caller decides where credentials may go. What a
// server sends is untrusted: header and body sizes are bounded, a transfer that stalls is ended.
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

#include "common/error.h"
#include "packager/registry/address_reach.h"

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
  std::chrono::seconds stall_timeout{60};         // with less than 1 KiB/s in both directions
  std::chrono::seconds answer_timeout{60};        // the same, once the source was read to its end
  // The nearest that the URL's host may be. Of a host that the user named: anywhere. Of one that a server
  // named: no nearer than that server itself (HttpReply::reach).
  AddressReach nearest = AddressReach::open;
};

struct HttpReply {
  int status = 0;
  HttpHeaders headers = {}; // names in lower case, in the order they came
  std::string body = {};
  // Of the server's address. Behind a proxy `open`: what such a server names is reached through a proxy, too,
  // or lies on the open network.
  AddressReach reach = AddressReach::open;

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
  // Many small ones at once, of hosts that the user named: over one connection where the server speaks
  // HTTP/2, else over a few. The results are in the order of the requests.
  std::vector<Result<HttpReply>> perform_all(std::span<const HttpRequest> requests);

  int interrupt_fd() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> m_impl;
};

} // namespace mrun
