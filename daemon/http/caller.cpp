#include "daemon/http/caller.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"
#include "daemon/api/prediction.h"

namespace mrun {
namespace {

Result<void> check_host(const Request& request, const DoorRules& rules) {
  const std::string_view host = request.header("host");
  if (std::ranges::find(rules.hosts, lower_ascii(host)) != rules.hosts.end()) return {};
  return fail(ErrorCode::host_refused,
              host.empty() ? std::string("the request has no Host header")
                           : fmt::format("the request is for host `{}`", printable(host, 80)));
}

// `Bearer TOKEN`, or `Token TOKEN` as older clients of Replicate send it (RFC 9110 §11.4: schemes have no
// case). "" for anything else.
std::string_view token_of(std::string_view authorization) {
  const std::size_t blank = authorization.find(' ');
  if (blank == std::string_view::npos) return {};
  const std::string scheme = lower_ascii(authorization.substr(0, blank));
  return scheme == "bearer" || scheme == "token" ? trim(authorization.substr(blank)) : std::string_view();
}

TokenScope least_scope(Access access) {
  switch (access) {
  case Access::read:
  case Access::stream:
    return TokenScope::read;
  case Access::predict:
    return TokenScope::predict;
  case Access::admin:
  case Access::owner:
    return TokenScope::admin;
  }
  return TokenScope::admin;
}

tl::unexpected<Error> no_token() {
  return fail(ErrorCode::token_invalid, "the request has no token");
}

} // namespace

Result<void> check_origin(const Request& request, const DoorRules& rules) {
  if (rules.is_tcp) MRUN_TRY(check_host(request, rules));
  const std::string_view origin = request.header("origin");
  if (!origin.empty() && origin != request.base_url)
    return fail(ErrorCode::origin_refused,
                fmt::format("the page's origin is {}, the host {}", printable(origin, 80), request.base_url));
  const std::string_view site = request.header("sec-fetch-site");
  if (!site.empty() && site != "none" && site != "same-origin")
    return fail(ErrorCode::origin_refused,
                fmt::format("the request comes from a page ({})", printable(site, 40)));
  return {};
}

Result<Pass> check_caller(const Request& request, const DoorRules& rules, PredictionService& service) {
  if (!rules.is_tcp) return Pass{true, std::nullopt};
  const std::string_view authorization = request.header("authorization");
  if (authorization.empty()) return Pass();
  const std::string_view text = token_of(authorization);
  if (text.empty()) return fail(ErrorCode::token_invalid, "the header Authorization is not `Bearer TOKEN`");
  MRUN_ASSIGN(const TokenScope scope, service.show_token(text));
  return Pass{false, scope};
}

Result<void> check_pass(const Pass& pass, const Route* route, const std::vector<std::string>& params) {
  if (pass.is_owner) return {};
  if (!pass.scope) {
    const bool knows_id =
        route != nullptr && route->access == Access::stream && !params.empty() && is_prediction_id(params[0]);
    return knows_id ? Result<void>() : no_token();
  }
  if (route == nullptr) return {};
  if (route->access == Access::owner)
    return fail(ErrorCode::token_scope,
                fmt::format("{} {} is for the Unix socket only", route->method, route->pattern),
                "use the command line on the daemon's machine");
  const TokenScope least = least_scope(route->access);
  if (*pass.scope >= least) return {};
  return fail(ErrorCode::token_scope,
              fmt::format("{} {} wants a token of scope {}, this one has {}", route->method, route->pattern,
                          scope_name(least), scope_name(*pass.scope)),
              fmt::format("mrun token create NAME --scope {}", scope_name(least)));
}

} // namespace mrun
