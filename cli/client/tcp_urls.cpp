#include "cli/client/tcp_urls.h"

#include <fmt/format.h>

#include "common/tcp_address.h"

namespace mrun::cli {

std::vector<std::string> urls_of(const Json& status) {
  std::vector<std::string> urls;
  for (const Json& text : status.value("listen", Json::array())) {
    const auto address = text.is_string() ? parse_tcp_address(text.get<std::string>())
                                          : Result<TcpAddress>(fail(ErrorCode::flag_value, ""));
    if (!address) continue; // of a daemon of another build
    urls.push_back(address->is_any ? fmt::format("http://localhost:{}", address->port())
                                   : fmt::format("http://{}", host_text(address->address)));
  }
  return urls;
}

} // namespace mrun::cli
