// Replicate's account and hardware: there is one user and the machine at hand.
#include "daemon/endpoints/endpoints.h"

namespace mrun {
namespace {

void account(EndpointContext&, Request, Responder responder) {
  responder.reply(json_reply(200, {{"type", "user"},
                                   {"username", "local"},
                                   {"name", "local"},
                                   {"github_url", nullptr},
                                   {"avatar_url", nullptr}}));
}

void hardware(EndpointContext&, Request, Responder responder) {
  Json cpu = {{"name", "CPU of this machine"}, {"sku", "cpu"}};
  responder.reply(json_reply(200, Json::array({std::move(cpu)})));
}

constexpr Route k_routes[] = {{"GET", "/v1/account", Access::read, account},
                              {"GET", "/v1/hardware", Access::read, hardware}};

} // namespace

std::span<const Route> routes_account() {
  return k_routes;
}

} // namespace mrun
