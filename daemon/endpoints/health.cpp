// Is the daemon there and willing?
#include "daemon/endpoints/endpoints.h"

namespace mrun {
namespace {

void health(EndpointContext& context, Request, Responder responder) {
  const bool draining = context.service.draining();
  responder.reply(json_reply(draining ? 503 : 200, {{"status", draining ? "draining" : "ok"}}));
}

constexpr Route k_routes[] = {{"GET", "/healthz", Access::read, health}};

} // namespace

std::span<const Route> routes_health() {
  return k_routes;
}

} // namespace mrun
