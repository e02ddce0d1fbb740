// Replicate's predictions: create, list, get, cancel.
#include <fmt/format.h>

#include "daemon/endpoints/create.h"
#include "daemon/endpoints/endpoints.h"
#include "daemon/http/sse.h"

namespace mrun {
namespace {

constexpr std::size_t k_page_length = 100;

void create(EndpointContext& context, Request request, Responder responder) {
  create_prediction(context, std::move(request), std::move(responder), Surface::replicate);
}

void create_for_model(EndpointContext& context, Request request, Responder responder) {
  std::string version = fmt::format("{}/{}", request.params[0], request.params[1]);
  create_prediction(context, std::move(request), std::move(responder), Surface::replicate,
                    std::move(version));
}

Json page_json(PredictionPage page, const Request& request) {
  Json results = Json::array();
  for (Prediction& prediction : page.predictions) {
    link_files(prediction.output, request.base_url, prediction.id); // a page of data URIs would have no bound
    results.push_back(prediction_view(std::move(prediction), request.base_url, Surface::replicate));
  }
  Json next;
  if (!page.next_cursor.empty())
    next = fmt::format("{}/v1/predictions?cursor={}", request.base_url, page.next_cursor);
  return {{"next", next}, {"previous", nullptr}, {"results", results}};
}

void list(EndpointContext& context, Request request, Responder responder) {
  // Everything here came through the API.
  if (request.query_value("source") == "web") return responder.reply(json_reply(200, page_json({}, request)));
  for (const char* key : {"created_after", "created_before"})
    if (request.query_value(key))
      return responder.reply(fail(ErrorCode::request_invalid, fmt::format("`{}` is not supported", key),
                                  "read the pages in order: newest first")
                                 .value());
  const std::string cursor(request.query_value("cursor").value_or(""));
  context.service.list(
      cursor, k_page_length,
      answer_with<PredictionPage>(std::move(responder), [request](PredictionPage page, Responder answer) {
        answer.reply(json_reply(200, page_json(std::move(page), request)));
      }));
}

void get(EndpointContext& context, Request request, Responder responder) {
  context.service.get(request.params[0],
                      answer_with_view(context, request, Surface::replicate, std::move(responder)));
}

void cancel(EndpointContext& context, Request request, Responder responder) {
  context.service.cancel(request.params[0],
                         answer_with_view(context, request, Surface::replicate, std::move(responder)));
}

constexpr Route k_routes[] = {
    {"POST", "/v1/predictions", Access::predict, create, k_max_body_bytes},
    {"GET", "/v1/predictions", Access::read, list},
    {"GET", "/v1/predictions/{id}", Access::read, get},
    {"POST", "/v1/predictions/{id}/cancel", Access::predict, cancel, k_max_body_bytes},
    {"POST", "/v1/models/{owner}/{name}/predictions", Access::predict, create_for_model, k_max_body_bytes},
};

} // namespace

std::span<const Route> routes_predictions() {
  return k_routes;
}

} // namespace mrun
