// Our own surface of predictions: create with events in one round trip, get, cancel, events, logs, outputs.
#include <charconv>

#include <fmt/format.h>

#include "common/text.h"
#include "daemon/endpoints/create.h"
#include "daemon/endpoints/endpoints.h"
#include "daemon/http/event_feed.h"
#include "daemon/http/sse.h"

namespace mrun {
namespace {

void create(EndpointContext& context, Request request, Responder responder) {
  create_prediction(context, std::move(request), std::move(responder), Surface::mrun);
}

void get(EndpointContext& context, Request request, Responder responder) {
  auto shared = std::make_shared<Responder>(std::move(responder)); // a std::function must be copyable
  context.service.get(request.params[0],
                      [&context, shared, base_url = request.base_url](Result<Prediction> prediction) {
                        if (!prediction) return shared->reply(prediction.error());
                        reply_prediction(context, std::move(*prediction), base_url, Surface::mrun,
                                         json_reply(200, nullptr), std::move(*shared));
                      });
}

void events(EndpointContext& context, Request request, Responder responder) {
  EventFeed::Settings settings;
  settings.id = request.params[0];
  settings.base_url = request.base_url;
  settings.after_seq = parse_last_event_id(request.header("last-event-id"));
  auto shared = std::make_shared<Responder>(std::move(responder)); // a std::function must be copyable
  context.service.get(settings.id, [&context, settings, shared](Result<Prediction> prediction) {
    if (!prediction) return shared->reply(prediction.error());
    EventFeed::start(context, settings, std::move(*shared));
  });
}

void logs(EndpointContext& context, Request request, Responder responder) {
  auto shared = std::make_shared<Responder>(std::move(responder)); // a std::function must be copyable
  context.service.get(request.params[0], [shared](Result<Prediction> prediction) {
    if (!prediction) return shared->reply(prediction.error());
    Reply reply = json_reply(200, nullptr);
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = std::move(prediction->logs);
    shared->reply(std::move(reply));
  });
}

void output(EndpointContext& context, Request request, Responder responder) {
  const std::string& digits = request.params[1];
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc() || end != digits.data() + digits.size())
    return responder.reply(fail(ErrorCode::file_not_found,
                                fmt::format("`{}` is not the number of an output", printable(digits, 40)))
                               .value());
  auto shared = std::make_shared<Responder>(std::move(responder)); // a std::function must be copyable
  context.service.open_output(request.params[0], index, [shared](Result<OutputFile> file) {
    if (!file) return shared->reply(file.error());
    Reply head;
    head.content_type = file->media_type;
    head.headers.emplace_back("Cache-Control", "no-store");
    head.headers.emplace_back("X-Content-Type-Options", "nosniff"); // a model's output is no page of ours
    shared->reply_file(std::move(head), std::move(*file));
  });
}

constexpr Route k_routes[] = {
    {"POST", "/mrun/v1/predictions", create, k_max_body_bytes},
    {"GET", "/mrun/v1/predictions/{id}", get},
    {"GET", "/mrun/v1/predictions/{id}/events", events},
    {"GET", "/mrun/v1/predictions/{id}/logs", logs},
    {"GET", "/mrun/v1/predictions/{id}/outputs/{n}", output},
};

} // namespace

std::span<const Route> routes_mrun_predictions() {
  return k_routes;
}

} // namespace mrun
