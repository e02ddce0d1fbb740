// Where an address lies: on the open network, or somewhere that a stranger's URL has no business in.
#pragma once

#include <sys/socket.h>

namespace mrun {

// The later, the closer to home.
enum class AddressReach {
  open,
  private_network, // RFC 1918, 4193, 6598
  loopback,
  special // link-local (metadata services of clouds), unspecified, multicast, reserved, no IP address
};

// IPv4 inside IPv6 (mapped, compatible, NAT64, 6to4) counts as what it holds. RFC 4291, 6890.
AddressReach reach_of(const sockaddr& address);
// The same of a numeric address; `special` for what is none.
AddressReach reach_of(const char* numeric_address);

} // namespace mrun
