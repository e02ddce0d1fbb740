// Our own surface of predictions: create with events in one round trip, list by filter, get, events, logs,
// outputs; and what predictions would do.
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

void send(const Json& body, Responder answer) {
  answer.reply(json_reply(200, body));
}

void list(EndpointContext& context, Request request, Responder responder) {
  auto query = parse_prediction_page(request.query);
  if (!query) return responder.reply(query.error());
  context.service.list_rows(std::move(*query), answer_with<Json>(std::move(responder), send));
}

constexpr std::int64_t k_max_planned = 1'000'000'000;

Result<PlanQuery> read_plan(const Request& request) {
  PlanQuery query;
  query.version = request.params[0];
  for (const auto& [name, value] : request.query) {
    if (name == "device") {
      query.device = value;
      continue;
    }
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), query.count);
    const bool is_count = error == std::errc() && end == value.data() + value.size() && query.count >= 1 &&
                          query.count <= k_max_planned;
    if (name != "predictions" || !is_count)
      return fail(ErrorCode::request_invalid,
                  fmt::format("parameter `{}` with `{}` is not one of a plan", printable(name, 40),
                              printable(value, 40)),
                  fmt::format("`device`, and `predictions` from 1 to {}", k_max_planned));
  }
  return query;
}

void plan(EndpointContext& context, Request request, Responder responder) {
  const auto query = read_plan(request);
  if (!query) return responder.reply(query.error());
  context.service.plan(*query, answer_with<Json>(std::move(responder), send));
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
    {"GET", "/mrun/v1/predictions", Access::read, list},
    {"GET", "/mrun/v1/predictions/{id}", Access::read, get},
    {"GET", "/mrun/v1/predictions/{id}/events", Access::read, events},
    {"GET", "/mrun/v1/predictions/{id}/logs", Access::read, logs},
    {"GET", "/mrun/v1/predictions/{id}/outputs/{n}", Access::read, output},
    {"GET", "/mrun/v1/versions/{id}/plan", Access::read, plan},
};

} // namespace

std::span<const Route> routes_mrun_predictions() {
  return k_routes;
}

} // namespace mrun
