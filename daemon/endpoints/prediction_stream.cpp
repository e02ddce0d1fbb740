// Replicate's event stream of a prediction (urls.stream).
#include "daemon/endpoints/endpoints.h"
#include "daemon/http/event_feed.h"
#include "daemon/http/sse.h"

namespace mrun {
namespace {

void stream(EndpointContext& context, Request request, Responder responder) {
  EventFeed::Settings settings;
  settings.id = request.params[0];
  settings.base_url = request.base_url;
  settings.dialect = EventFeed::Dialect::replicate;
  settings.after_seq = parse_last_event_id(request.header("last-event-id"));
  auto shared = std::make_shared<Responder>(std::move(responder)); // a std::function must be copyable
  context.service.get(settings.id, [&context, settings, shared](Result<Prediction> prediction) {
    if (!prediction) return shared->reply(prediction.error());
    EventFeed::start(context, settings, std::move(*shared));
  });
}

constexpr Route k_routes[] = {{"GET", "/v1/predictions/{id}/stream", stream}};

} // namespace

std::span<const Route> routes_prediction_stream() {
  return k_routes;
}

} // namespace mrun
