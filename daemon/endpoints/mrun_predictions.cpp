// Our own surface of predictions: create with events in one round trip, get, cancel, events, logs, outputs.
#include <charconv>

#include <fmt/format.h>

#include "common/text.h"
#include "daemon/endpoints/create.h"
#include "daemon/endpoints/endpoints.h"

namespace mrun {
namespace {

void create(EndpointContext& context, Request request, Responder responder) {
  create_prediction(context, std::move(request), std::move(responder), Surface::mrun);
}

void get(EndpointContext& context, Request request, Responder responder) {
  context.service.get(request.params[0],
                      answer_with_view(context, request, Surface::mrun, std::move(responder)));
}

void events(EndpointContext& context, Request request, Responder responder) {
  follow_prediction(context, request, EventFeed::Dialect::mrun, std::move(responder));
}

void logs(EndpointContext& context, Request request, Responder responder) {
  context.service.get(request.params[0], answer_with<Prediction>(std::move(responder),
                                                                 [](Prediction prediction, Responder answer) {
                                                                   Reply reply = json_reply(200, nullptr);
                                                                   reply.content_type =
                                                                       "text/plain; charset=utf-8";
                                                                   reply.body = std::move(prediction.logs);
                                                                   answer.reply(std::move(reply));
                                                                 }));
}

void output(EndpointContext& context, Request request, Responder responder) {
  const std::string& digits = request.params[1];
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc() || end != digits.data() + digits.size())
    return responder.reply(fail(ErrorCode::file_not_found,
                                fmt::format("`{}` is not the number of an output", printable(digits, 40)))
                               .value());
  context.service.open_output(request.params[0], index, answer_with_file(std::move(responder)));
}

constexpr Route k_routes[] = {
    {"POST", "/mrun/v1/predictions", Access::predict, create, k_max_body_bytes},
    {"GET", "/mrun/v1/predictions/{id}", Access::read, get},
    {"GET", "/mrun/v1/predictions/{id}/events", Access::read, events},
    {"GET", "/mrun/v1/predictions/{id}/logs", Access::read, logs},
    {"GET", "/mrun/v1/predictions/{id}/outputs/{n}", Access::read, output},
};

} // namespace

std::span<const Route> routes_mrun_predictions() {
  return k_routes;
}

} // namespace mrun
