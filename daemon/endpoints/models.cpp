// Replicate's models and versions, read from the store.
#include <fmt/format.h>

#include "daemon/endpoints/endpoints.h"

namespace mrun {
namespace {

Json whole_page(Json results) {
  return {{"next", nullptr}, {"previous", nullptr}, {"results", std::move(results)}};
}

void send(const Json& body, Responder answer) {
  answer.reply(json_reply(200, body));
}

void list(EndpointContext& context, Request, Responder responder) {
  context.service.list_models_json(answer_with<Json>(std::move(responder), [](Json models, Responder answer) {
    send(whole_page(std::move(models)), std::move(answer));
  }));
}

void model(EndpointContext& context, Request request, Responder responder) {
  context.service.model_json(request.params[0], request.params[1],
                             answer_with<Json>(std::move(responder), send));
}

// The newest version is what a model object carries; older ones are reached by their id.
void versions(EndpointContext& context, Request request, Responder responder) {
  context.service.model_json(request.params[0], request.params[1],
                             answer_with<Json>(std::move(responder), [](Json found, Responder answer) {
                               Json results = Json::array();
                               results.push_back(std::move(found["latest_version"]));
                               send(whole_page(std::move(results)), std::move(answer));
                             }));
}

void version(EndpointContext& context, Request request, Responder responder) {
  context.service.version_json(request.params[0], request.params[1], request.params[2],
                               answer_with<Json>(std::move(responder), send));
}

constexpr Route k_routes[] = {
    {"GET", "/v1/models", Access::read, list},
    {"GET", "/v1/models/{owner}/{name}", Access::read, model},
    {"GET", "/v1/models/{owner}/{name}/versions", Access::read, versions},
    {"GET", "/v1/models/{owner}/{name}/versions/{id}", Access::read, version},
};

} // namespace

std::span<const Route> routes_models() {
  return k_routes;
}

} // namespace mrun
