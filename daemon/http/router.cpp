#include "daemon/http/router.h"

namespace mrun {
namespace {

// Takes the next "/segment" off the front.
bool next_segment(std::string_view& path, std::string_view& segment) {
  if (path.empty() || path.front() != '/') return false;
  path.remove_prefix(1);
  segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return true;
}

bool fits(std::string_view pattern, std::string_view path) {
  std::string_view expected;
  std::string_view given;
  while (next_segment(pattern, expected)) {
    if (!next_segment(path, given)) return false;
    const bool takes_any = !expected.empty() && expected.front() == '{';
    if (takes_any ? given.empty() : expected != given) return false;
  }
  return path.empty() && pattern.empty();
}

bool take_params(std::string_view pattern, std::string_view path, std::vector<std::string>& params) {
  std::string_view expected;
  std::string_view given;
  while (next_segment(pattern, expected) && next_segment(path, given)) {
    if (expected.empty() || expected.front() != '{') continue;
    auto decoded = percent_decode(given);
    if (!decoded) return false;
    params.push_back(std::move(*decoded));
  }
  return true;
}

} // namespace

RouteMatch Router::match(std::string_view method, std::string_view path) const {
  RouteMatch match;
  for (const Route& route : m_routes) {
    if (!fits(route.pattern, path)) continue;
    if (route.method != method) {
      match.allow.append(match.allow.empty() ? "" : ", ").append(route.method);
      continue;
    }
    if (!take_params(route.pattern, path, match.params)) return {};
    match.route = &route;
    return match;
  }
  return match;
}

} // namespace mrun
