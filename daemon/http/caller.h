// Who calls, and whether a request of theirs is let in: before a route is looked for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "daemon/http/request.h"
#include "daemon/http/router.h"
#include "daemon/service/service.h"

namespace mrun {

// What a door asks of its callers. The Unix socket's caller is its owner (SO_PEERCRED) and shows nothing.
struct DoorRules {
  bool is_tcp = false;
  std::vector<std::string> hosts; // what Host may be, in lower case: "127.0.0.1:8000"
};

// What a caller may do.
struct Pass {
  bool is_owner = false;
  std::optional<TokenScope> scope; // of the token; none was asked for or shown when empty
};

// A request of a web page of another origin, or one that names a host which is not the door's, is not let
// in: through a user's browser it could come from anybody (notes: DNS rebinding, CSRF). Errors:
// host_refused, origin_refused.
Result<void> check_origin(const Request& request, const DoorRules& rules);

// Errors: token_invalid. Without a token the pass is empty, which only Access::stream lets through.
Result<Pass> check_caller(const Request& request, const DoorRules& rules, PredictionService& service);

// Before the route is known: who has no pass learns nothing of which routes there are.
Result<void> check_pass(const Pass& pass, const Route* route, const std::vector<std::string>& params);

} // namespace mrun
