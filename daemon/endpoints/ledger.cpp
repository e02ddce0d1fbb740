// What everything has cost: lines, and sums by group.
#include "daemon/endpoints/endpoints.h"

namespace mrun {
namespace {

void send(const Json& body, Responder answer) {
  answer.reply(json_reply(200, body));
}

void ledger(EndpointContext& context, Request request, Responder responder) {
  auto query = parse_ledger_page(request.query);
  if (!query) return responder.reply(query.error());
  context.service.ledger(std::move(*query), answer_with<Json>(std::move(responder), send));
}

void stats(EndpointContext& context, Request request, Responder responder) {
  auto query = parse_ledger_stats(request.query);
  if (!query) return responder.reply(query.error());
  context.service.ledger_stats(std::move(*query), answer_with<Json>(std::move(responder), send));
}

constexpr Route k_routes[] = {{"GET", "/mrun/v1/ledger", Access::read, ledger},
                              {"GET", "/mrun/v1/stats", Access::read, stats}};

} // namespace

std::span<const Route> routes_ledger() {
  return k_routes;
}

} // namespace mrun
