// Our own surface of the daemon: its status, its workers, and what may be asked of it.
#include <fmt/format.h>

#include "daemon/endpoints/endpoints.h"
#include "daemon/endpoints/views.h"

namespace mrun {
namespace {

constexpr std::size_t k_small_body_bytes = 64 * k_kib;

void status(EndpointContext& context, Request, Responder responder) {
  responder.reply(json_reply(200, context.service.status()));
}

void ps(EndpointContext& context, Request, Responder responder) {
  responder.reply(json_reply(200, context.service.ps()));
}

struct StopModel {
  std::string reference;
  bool force = false;
};

Result<StopModel> read_stop(const Request& request) {
  MRUN_ASSIGN(const Json body, json_body(request));
  MRUN_TRY(check_members(body, {"reference", "force"}));
  StopModel stop;
  MRUN_ASSIGN(stop.reference, need_string(body, "reference", ErrorCode::body_invalid, "the request's body"));
  MRUN_ASSIGN(const auto force, json_bool(body, "force", ErrorCode::body_invalid, "the request's body"));
  stop.force = force.value_or(false);
  return stop;
}

void stop_model(EndpointContext& context, Request request, Responder responder) {
  const auto stop = read_stop(request);
  if (!stop) return responder.reply(stop.error());
  context.service.stop_model(
      stop->reference, stop->force,
      answer_with<std::size_t>(std::move(responder), [](std::size_t stopped, Responder answer) {
        answer.reply(json_reply(200, {{"schema", "mrun.stop/v1"}, {"stopped", stopped}}));
      }));
}

void version_stats(EndpointContext& context, Request request, Responder responder) {
  context.service.version_stats(
      request.params[0], answer_with<Json>(std::move(responder), [](const Json& stats, Responder answer) {
        answer.reply(json_reply(200, stats));
      }));
}

void shut_down(EndpointContext& context, Request, Responder responder) {
  responder.reply(json_reply(202, {{"schema", "mrun.shutdown/v1"}, {"draining", true}}));
  context.service.shut_down();
}

void reload_cost(EndpointContext& context, Request, Responder responder) {
  const Result<Json> rate = context.service.reload_cost();
  if (!rate) return responder.reply(rate.error());
  responder.reply(json_reply(200, {{"schema", "mrun.cost_reload/v1"}, {"cost", *rate}}));
}

void prepare(EndpointContext& context, Request, Responder responder) {
  context.service.prepare();
  responder.reply(json_reply(202, {{"schema", "mrun.prepare/v1"}, {"accepted", true}}));
}

constexpr Route k_routes[] = {
    {"GET", "/mrun/v1/status", Access::read, status},
    {"GET", "/mrun/v1/ps", Access::read, ps},
    {"POST", "/mrun/v1/models/stop", Access::admin, stop_model, k_small_body_bytes},
    {"GET", "/mrun/v1/versions/{id}/stats", Access::read, version_stats},
    {"POST", "/mrun/v1/shutdown", Access::admin, shut_down, k_small_body_bytes},
    {"POST", "/mrun/v1/cost/reload", Access::admin, reload_cost, k_small_body_bytes},
    {"POST", "/mrun/v1/prepare", Access::predict, prepare, k_small_body_bytes},
};

} // namespace

std::span<const Route> routes_mrun_daemon() {
  return k_routes;
}

} // namespace mrun
