// What a connection needs of its server.
#pragma once

#include "daemon/http/server.h"

namespace mrun {

class Connection;

class ConnectionHost {
 public:
  virtual ~ConnectionHost() = default;
  virtual const HttpConfig& config() const = 0;
  virtual const Router& router() const = 0;
  virtual EndpointContext& context() = 0;
  virtual bool stopping() const = 0; // no keep-alive any more
  virtual void closed(Connection& connection) = 0;
};

} // namespace mrun
