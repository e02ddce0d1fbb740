// A TCP address to listen at, as it is written: tcp://127.0.0.1:8000, tcp://[::1]:8000, tcp://localhost:0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include "common/error.h"

namespace mrun {

struct TcpAddress {
  sockaddr_storage address{};
  socklen_t size = 0;
  bool is_loopback = false; // 127.0.0.0/8 or ::1
  bool is_any = false;      // 0.0.0.0 or ::

  std::uint16_t port() const;
  std::string text() const; // tcp://127.0.0.1:8000
};

// An IP address, not a name but `localhost`, which is 127.0.0.1; port 0 is any that is free. Error
// flag_value.
Result<TcpAddress> parse_tcp_address(std::string_view text);
// As getsockname(2) gives it.
TcpAddress tcp_address_of(const sockaddr_storage& address);

// "127.0.0.1:8000" or "[::1]:8000", as a Host header has it; "" for another family.
std::string host_text(const sockaddr_storage& address);

} // namespace mrun
