#include "common/tcp_address.h"

#include <array>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include "common/text.h"

namespace mrun {
namespace {

constexpr std::string_view k_scheme = "tcp://";

// sockaddr_storage is what POSIX gives for this: large enough, aligned, its first member is the family.
sockaddr_in as_v4(const sockaddr_storage& address) {
  sockaddr_in v4{};
  std::memcpy(&v4, &address, sizeof v4);
  return v4;
}
sockaddr_in6 as_v6(const sockaddr_storage& address) {
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address, sizeof v6);
  return v6;
}

tl::unexpected<Error> refuse(std::string_view text, std::string_view why) {
  return fail(ErrorCode::flag_value,
              fmt::format("`{}` is not an address to listen at: {}", printable(text, 80), why),
              "write tcp://127.0.0.1:8000, tcp://[::1]:8000, or port 0 for any that is free");
}

bool parse_port(std::string_view text, std::uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

} // namespace

std::uint16_t TcpAddress::port() const {
  return ntohs(address.ss_family == AF_INET6 ? as_v6(address).sin6_port : as_v4(address).sin_port);
}

std::string TcpAddress::text() const {
  return fmt::format("{}{}", k_scheme, host_text(address));
}

TcpAddress tcp_address_of(const sockaddr_storage& address) {
  TcpAddress all{address};
  if (address.ss_family == AF_INET) {
    const std::uint32_t host = ntohl(as_v4(address).sin_addr.s_addr);
    all.size = sizeof(sockaddr_in);
    all.is_loopback = host >> 24U == 127;
    all.is_any = host == INADDR_ANY;
  } else {
    const in6_addr host = as_v6(address).sin6_addr;
    all.size = sizeof(sockaddr_in6);
    all.is_loopback = IN6_IS_ADDR_LOOPBACK(&host);
    all.is_any = IN6_IS_ADDR_UNSPECIFIED(&host);
  }
  return all;
}

Result<TcpAddress> parse_tcp_address(std::string_view text) {
  if (!text.starts_with(k_scheme)) return refuse(text, "it does not begin with tcp://");
  const std::string_view rest = text.substr(k_scheme.size());
  const std::size_t colon = rest.rfind(':');
  std::uint16_t port = 0;
  if (colon == std::string_view::npos || !parse_port(rest.substr(colon + 1), port))
    return refuse(text, "it does not end with a port, 0 to 65535");
  std::string host(rest.substr(0, colon));
  sockaddr_storage address{};
  if (host.starts_with('[') && host.ends_with(']')) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6.sin6_addr) != 1)
      return refuse(text, "between [ and ] is no IPv6 address");
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return refuse(text, "write an IPv4 address as such");
    std::memcpy(&address, &v6, sizeof v6);
  } else {
    if (host == "localhost") host = "127.0.0.1";
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1)
      return refuse(text, "it has no IPv4 address, [IPv6 address] or `localhost`");
    std::memcpy(&address, &v4, sizeof v4);
  }
  return tcp_address_of(address);
}

std::string host_text(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const sockaddr_in v4 = as_v4(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return fmt::format("{}:{}", text.data(), ntohs(v4.sin_port));
  }
  if (address.ss_family != AF_INET6) return {};
  const sockaddr_in6 v6 = as_v6(address);
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return fmt::format("[{}]:{}", text.data(), ntohs(v6.sin6_port));
}

} // namespace mrun
