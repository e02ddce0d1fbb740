#include "packager/registry/address_reach.h"

#include <algorithm>
#include <cstdint>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace mrun {
namespace {

AddressReach reach_of_v4(std::uint32_t address) { // host order
  const auto in = [address](std::uint32_t network, int bits) {
    return (address >> (32 - bits)) == (network >> (32 - bits));
  };
  if (in(0x7f000000, 8)) return AddressReach::loopback;
  if (in(0x0a000000, 8) || in(0x64400000, 10) || in(0xac100000, 12) || in(0xc0a80000, 16))
    return AddressReach::private_network;
  if (in(0x00000000, 8) || in(0xa9fe0000, 16) || in(0xc0000000, 24) || in(0xc6120000, 15) ||
      in(0xe0000000, 4) || in(0xf0000000, 4))
    return AddressReach::special;
  return AddressReach::open;
}

AddressReach reach_of_v6(const in6_addr& address) {
  const std::uint8_t* b = address.s6_addr;
  const auto v4_at = [b](int i) {
    return (std::uint32_t{b[i]} << 24) | (std::uint32_t{b[i + 1]} << 16) | (std::uint32_t{b[i + 2]} << 8) |
           b[i + 3];
  };
  if (IN6_IS_ADDR_LOOPBACK(&address)) return AddressReach::loopback;
  const bool low_zero = std::all_of(b, b + 10, [](std::uint8_t byte) { return byte == 0; });
  if (low_zero && ((b[10] == 0xff && b[11] == 0xff) || (b[10] == 0 && b[11] == 0)))
    return reach_of_v4(v4_at(12)); // mapped, compatible, ::
  if (b[0] == 0x00 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b) return reach_of_v4(v4_at(12)); // NAT64
  if (b[0] == 0x20 && b[1] == 0x02) return reach_of_v4(v4_at(2));                                  // 6to4
  if ((b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0xc0) == 0xc0)) return AddressReach::private_network;
  return b[0] == 0xfe || b[0] == 0xff ? AddressReach::special : AddressReach::open;
}

} // namespace

AddressReach reach_of(const sockaddr& address) {
  if (address.sa_family == AF_INET)
    return reach_of_v4(ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr));
  if (address.sa_family == AF_INET6)
    return reach_of_v6(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  return AddressReach::special;
}

AddressReach reach_of(const char* numeric_address) {
  in_addr v4{};
  in6_addr v6{};
  if (numeric_address == nullptr) return AddressReach::special;
  if (::inet_pton(AF_INET, numeric_address, &v4) == 1) return reach_of_v4(ntohl(v4.s_addr));
  if (::inet_pton(AF_INET6, numeric_address, &v6) == 1) return reach_of_v6(v6);
  return AddressReach::special;
}

} // namespace mrun
