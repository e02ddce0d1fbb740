// Replicate's event stream of a prediction (urls.stream).
#include "daemon/endpoints/endpoints.h"
#include "daemon/endpoints/views.h"

namespace mrun {
namespace {

void stream(EndpointContext& context, Request request, Responder responder) {
  follow_prediction(context, request, EventFeed::Dialect::replicate, std::move(responder));
}

constexpr Route k_routes[] = {{"GET", "/v1/predictions/{id}/stream", Access::stream, stream}};

} // namespace

std::span<const Route> routes_prediction_stream() {
  return k_routes;
}

} // namespace mrun
