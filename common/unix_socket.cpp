#include "common/unix_socket.h"

#include <string>

#include <fmt/format.h>
#include <sys/socket.h>

namespace mrun {

Result<sockaddr_un> socket_address(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& text = path.native();
  if (text.size() >= sizeof address.sun_path) // the zero behind it belongs to it
    return fail(ErrorCode::home_refused, fmt::format("the socket's path is too long: {}", text));
  text.copy(address.sun_path, text.size());
  return address;
}

} // namespace mrun
