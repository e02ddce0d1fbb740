#include "daemon/endpoints/endpoints.h"

namespace mrun {

std::vector<Route> all_routes() {
  std::vector<Route> routes;
  const auto add = [&routes](std::span<const Route> group) {
    routes.insert(routes.end(), group.begin(), group.end());
  };
#define MRUN_ENDPOINT(name) add(routes_##name());
#include "endpoints.inc"
#undef MRUN_ENDPOINT
  return routes;
}

} // namespace mrun
