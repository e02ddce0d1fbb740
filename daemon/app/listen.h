// The TCP addresses that the daemon listens at, from the configuration and the command line.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/tcp_address.h"
#include "daemon/http/tcp_door.h"

namespace mrun {

struct ListenSettings {
  std::vector<TcpAddress> addresses;
  std::vector<std::string> host_names; // that may stand in Host besides the addresses: gpu.lan, gpu.lan:443
  bool insecure_plaintext = false;     // other machines may call, without TLS

  // Error config_invalid: too many.
  Result<void> add(const ListenSettings& more);
};

// A name as a Host header has it, in lower case: letters, digits, `.`, `-`, and a port if it has one. Error
// flag_value.
Result<std::string> parse_host_name(std::string_view text);

// A socket that listens, and the address that it has (of port 0: the one that was free).
struct OpenedDoor {
  TcpDoor door;
  std::string address; // tcp://127.0.0.1:41233
};
// Errors: config_invalid for an address that other machines reach without insecure_plaintext; daemon_start.
Result<std::vector<OpenedDoor>> open_tcp_doors(const ListenSettings& settings);

// What Host may be at that address: itself, `localhost` on the loopback, the names. Without the port too
// where it is HTTP's own.
std::vector<std::string> hosts_of(const TcpAddress& address, std::span<const std::string> host_names);

} // namespace mrun
