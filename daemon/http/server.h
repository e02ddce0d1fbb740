// The HTTP/1.1 server: accepts on the Unix socket and on TCP addresses, reads requests under limits, hands
// them to the routes.
//
// One io thread does everything. Idle and slow peers are closed by one sweep over all connections, so that a
// request costs no timer. Nothing here knows what a prediction is.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <sys/types.h>

#include "common/fd.h"
#include "common/limits.h"
#include "daemon/http/router.h"
#include "daemon/http/tcp_door.h"
#include "daemon/service/service.h"

namespace mrun {

struct HttpLimits {
  std::size_t max_head_bytes = k_max_head_bytes;
  std::size_t max_headers = k_max_header_count;
  std::size_t max_connections = k_max_connections;         // on the Unix socket
  std::size_t max_tcp_connections = k_max_tcp_connections; // on all TCP addresses together
  std::chrono::milliseconds head_timeout = k_head_timeout;
  std::chrono::milliseconds body_idle_timeout = k_body_idle_timeout;
  std::chrono::milliseconds keep_alive_timeout = k_keep_alive_timeout;
  std::chrono::milliseconds write_stall_timeout = k_write_stall_timeout;
  std::chrono::milliseconds stream_stall_timeout = k_stream_stall_timeout;
  std::chrono::milliseconds keep_alive_comment = k_keep_alive_comment;
  std::chrono::milliseconds sweep_period{1000}; // how late a timeout may be
  std::chrono::milliseconds drain_grace{5000};  // for what is still being sent when the service has ended
};

struct HttpConfig {
  std::string build_id; // reply header Mrun-Build
  uid_t owner_uid = 0;  // whom the socket serves (SO_PEERCRED); root only when the owner is root
  HttpLimits limits;
  std::vector<Route> routes; // empty: all of daemon/endpoints
};

class HttpServer {
 public:
  // `listening`: a bound and listening Unix stream socket. `io` and `service` outlive the server.
  HttpServer(boost::asio::io_context& io, PredictionService& service, UniqueFd listening, HttpConfig config);
  ~HttpServer(); // closes every connection

  // Before start().
  void add(TcpDoor door);
  void start();
  // Closes the listening sockets and idle connections; each busy one ends with its exchange.
  void stop_accepting();
  // Call after the service has drained. Calls back once no connection is left, through the io context; those
  // that still send to a caller that does not read are closed after the drain grace.
  void drained(std::function<void()> callback);
  std::size_t connections() const;

 private:
  struct Core;
  // Shared with the connections, whose completion handlers may still run while the server goes down.
  std::shared_ptr<Core> m_core;
};

} // namespace mrun
