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
  auto shared = std::make_shared<Responder>(std::move(responder)); // a std::function must be copyable
  context.service.list(cursor, k_page_length,
                       [shared, request = std::move(request)](Result<PredictionPage> page) {
                         if (!page) return shared->reply(page.error());
                         shared->reply(json_reply(200, page_json(std::move(*page), request)));
                       });
}

Callback<Prediction> reply_with(EndpointContext& context, std::string base_url, Responder responder) {
  auto shared = std::make_shared<Responder>(std::move(responder)); // a std::function must be copyable
  return [&context, base_url = std::move(base_url), shared](Result<Prediction> prediction) {
    if (!prediction) return shared->reply(prediction.error());
    reply_prediction(context, std::move(*prediction), base_url, Surface::replicate, json_reply(200, nullptr),
                     std::move(*shared));
  };
}

void get(EndpointContext& context, Request request, Responder responder) {
  context.service.get(request.params[0], reply_with(context, request.base_url, std::move(responder)));
}

void cancel(EndpointContext& context, Request request, Responder responder) {
  context.service.cancel(request.params[0], reply_with(context, request.base_url, std::move(responder)));
}

constexpr Route k_routes[] = {
    {"POST", "/v1/predictions", create, k_max_body_bytes},
    {"GET", "/v1/predictions", list},
    {"GET", "/v1/predictions/{id}", get},
    {"POST", "/v1/predictions/{id}/cancel", cancel, k_max_body_bytes},
    {"POST", "/v1/models/{owner}/{name}/predictions", create_for_model, k_max_body_bytes},
};

} // namespace

std::span<const Route> routes_predictions() {
  return k_routes;
}

} // namespace mrun
