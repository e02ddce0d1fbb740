// The table of routes: method and pattern to handler. Built once from the generated table of
// daemon/endpoints.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "common/error.h"
#include "daemon/http/request.h"
#include "daemon/http/responder.h"
#include "daemon/service/service.h"

namespace mrun {

// What every handler may use. Outlives all handlers.
struct EndpointContext {
  boost::asio::io_context& io;
  PredictionService& service;
};

// Takes a body as it comes, in constant memory.
class BodySink {
 public:
  virtual ~BodySink() = default;
  virtual Result<void> write(std::string_view bytes) = 0;
  // The body is complete.
  virtual void finish(Request request, Responder responder) = 0;
};

// Who may call a route over TCP. The Unix socket's caller is its owner, and may call each.
enum class Access {
  read,    // a token of any scope
  stream,  // the same, or who knows the prediction's id: official clients follow urls.stream without a token
  predict, // a token of scope predict or admin
  admin,   // a token of scope admin
  owner    // no token
};

using Handler = void (*)(EndpointContext& context, Request request, Responder responder);
using OpenBody = Result<std::unique_ptr<BodySink>> (*)(EndpointContext& context, const Request& request);

struct Route {
  std::string_view method;
  std::string_view pattern; // "/v1/predictions/{id}": a part in braces takes one segment
  Access access = Access::owner;
  Handler handler = nullptr;
  std::size_t max_body_bytes = 0; // 0: a body is refused
  OpenBody open_body = nullptr;   // in place of `handler`: the body is streamed
};

struct RouteMatch {
  const Route* route = nullptr;    // null: see `allow`
  std::vector<std::string> params; // decoded
  std::string allow;               // the path's methods when only the method is wrong, "" for an unknown path
};

class Router {
 public:
  explicit Router(std::vector<Route> routes) : m_routes(std::move(routes)) {}

  // `path` is still percent-encoded, so that an encoded slash can't add a segment.
  RouteMatch match(std::string_view method, std::string_view path) const;
  std::span<const Route> routes() const { return m_routes; }

 private:
  std::vector<Route> m_routes;
};

} // namespace mrun
