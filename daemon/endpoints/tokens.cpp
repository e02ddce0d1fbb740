// Tokens of the TCP door: made, listed and revoked by the owner, through the Unix socket.
#include <fmt/format.h>

#include "common/clock.h"
#include "common/text.h"
#include "daemon/endpoints/endpoints.h"
#include "daemon/endpoints/views.h"

namespace mrun {
namespace {

constexpr std::size_t k_small_body_bytes = 64 * k_kib;

Result<NewToken> read_new_token(const Request& request) {
  constexpr std::string_view where = "the request's body";
  MRUN_ASSIGN(const Json body, json_body(request));
  MRUN_TRY(check_members(body, {"name", "scope", "lifetime_s"}));
  NewToken token;
  MRUN_ASSIGN(token.name, need_string(body, "name", ErrorCode::body_invalid, where));
  MRUN_ASSIGN(const std::string scope, need_string(body, "scope", ErrorCode::body_invalid, where));
  if (!find_scope(scope, token.scope))
    return fail(ErrorCode::body_invalid, fmt::format("`{}` is not a scope", printable(scope, 40)),
                "scopes are read, predict and admin");
  // Whoever wants a token for ever says so.
  if (!body.contains("lifetime_s"))
    return fail(ErrorCode::body_invalid, "the request's body has no `lifetime_s`",
                "seconds, or null: for ever");
  if (!body["lifetime_s"].is_null()) {
    MRUN_ASSIGN(token.lifetime_s, need_integer(body, "lifetime_s", ErrorCode::body_invalid, where));
  }
  return token;
}

void create(EndpointContext& context, Request request, Responder responder) {
  const auto wanted = read_new_token(request);
  if (!wanted) return responder.reply(wanted.error());
  context.service.create_token(
      *wanted, answer_with<MadeToken>(std::move(responder), [](const MadeToken& made, Responder answer) {
        Json body = token_json(made.token, made.token.created_ns);
        body["schema"] = "mrun.token/v1";
        body["token"] = made.text;
        answer.reply(json_reply(201, body));
      }));
}

void list(EndpointContext& context, Request, Responder responder) {
  Json tokens = Json::array();
  const std::int64_t now_ns = system_clock().wall_ns();
  for (const Token& token : context.service.list_tokens())
    tokens.push_back(token_json(token, now_ns));
  responder.reply(json_reply(200, {{"schema", "mrun.tokens/v1"}, {"tokens", std::move(tokens)}}));
}

void revoke(EndpointContext& context, Request request, Responder responder) {
  context.service.revoke_token(request.params[0],
                               answer_with<Token>(std::move(responder), [](const Token&, Responder answer) {
                                 answer.reply(empty_reply(204));
                               }));
}

constexpr Route k_routes[] = {
    {"POST", "/mrun/v1/tokens", Access::owner, create, k_small_body_bytes},
    {"GET", "/mrun/v1/tokens", Access::owner, list},
    {"DELETE", "/mrun/v1/tokens/{name}", Access::owner, revoke},
};

} // namespace

std::span<const Route> routes_tokens() {
  return k_routes;
}

} // namespace mrun
