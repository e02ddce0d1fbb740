// Replicate's models and versions, read from the store.
#include <fmt/format.h>

#include "daemon/endpoints/endpoints.h"

namespace mrun {
namespace {

void reply_result(Result<Json> result, Responder responder) {
  if (!result) return responder.reply(result.error());
  responder.reply(json_reply(200, *result));
}

Json whole_page(Json results) {
  return {{"next", nullptr}, {"previous", nullptr}, {"results", std::move(results)}};
}

// The service gives either a page or its plain list.
void list(EndpointContext& context, Request, Responder responder) {
  auto models = context.service.list_models_json();
  if (models && models->is_array()) models = whole_page(std::move(*models));
  reply_result(std::move(models), std::move(responder));
}

void model(EndpointContext& context, Request request, Responder responder) {
  reply_result(context.service.model_json(request.params[0], request.params[1]), std::move(responder));
}

// The newest version is what a model object carries; older ones are reached by their id.
void versions(EndpointContext& context, Request request, Responder responder) {
  auto found = context.service.model_json(request.params[0], request.params[1]);
  if (!found) return responder.reply(found.error());
  Json results = Json::array();
  if (const auto all = found->find("versions"); all != found->end() && all->is_array())
    results = *all;
  else if (const auto latest = found->find("latest_version"); latest != found->end() && latest->is_object())
    results.push_back(*latest);
  responder.reply(json_reply(200, whole_page(std::move(results))));
}

void version(EndpointContext& context, Request request, Responder responder) {
  reply_result(context.service.version_json(request.params[0], request.params[1], request.params[2]),
               std::move(responder));
}

constexpr Route k_routes[] = {
    {"GET", "/v1/models", list},
    {"GET", "/v1/models/{owner}/{name}", model},
    {"GET", "/v1/models/{owner}/{name}/versions", versions},
    {"GET", "/v1/models/{owner}/{name}/versions/{id}", version},
};

} // namespace

std::span<const Route> routes_models() {
  return k_routes;
}

} // namespace mrun
