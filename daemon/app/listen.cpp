#include "daemon/app/listen.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/limits.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr int k_backlog = 256;
constexpr std::uint16_t k_http_port = 80;
constexpr std::size_t k_max_host_name_bytes = 253; // of a name in the DNS

Result<void> check_reach(const TcpAddress& address, bool insecure_plaintext) {
  if (address.is_loopback || insecure_plaintext) return {};
  return fail(ErrorCode::config_invalid,
              fmt::format("other machines reach {}, and everything, tokens too, would travel in the clear",
                          address.text()),
              "listen at tcp://127.0.0.1:PORT with a TLS proxy before it; in a network that you trust, add "
              "--insecure-plaintext (insecure_plaintext: true in config.yaml)");
}

tl::unexpected<Error> cannot_listen(int error, const TcpAddress& address) {
  Error told =
      fail_errno(ErrorCode::daemon_start, error, fmt::format("can't listen at {}", address.text())).value();
  if (error == EADDRINUSE) told.hint = "choose another port, or 0 for any that is free";
  return tl::unexpected<Error>(std::move(told));
}

Result<OpenedDoor> open_door(const TcpAddress& address, std::span<const std::string> host_names) {
  const int family = address.address.ss_family;
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  // So that a daemon that was just stopped does not keep the port for a minute (TIME_WAIT).
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
      (family == AF_INET6 && ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.address), address.size) < 0 ||
      ::listen(fd.get(), k_backlog) < 0)
    return cannot_listen(errno, address);
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) < 0)
    return cannot_listen(errno, address);
  const TcpAddress actual = tcp_address_of(bound);
  return OpenedDoor{TcpDoor{std::move(fd), hosts_of(actual, host_names), actual.is_any}, actual.text()};
}

} // namespace

Result<void> ListenSettings::add(const ListenSettings& more) {
  for (const TcpAddress& address : more.addresses) {
    const auto same = [&](const TcpAddress& other) { return other.text() == address.text(); };
    if (std::ranges::none_of(addresses, same)) addresses.push_back(address);
  }
  host_names.insert(host_names.end(), more.host_names.begin(), more.host_names.end());
  insecure_plaintext = insecure_plaintext || more.insecure_plaintext;
  if (addresses.size() > k_max_tcp_addresses)
    return fail(ErrorCode::config_invalid,
                fmt::format("{} addresses to listen at, {} can be", addresses.size(), k_max_tcp_addresses));
  if (host_names.size() > k_max_host_names)
    return fail(ErrorCode::config_invalid,
                fmt::format("{} names of hosts, {} can be", host_names.size(), k_max_host_names));
  return {};
}

Result<std::string> parse_host_name(std::string_view text) {
  const std::string name = lower_ascii(text);
  const std::size_t colon = std::min(name.find(':'), name.size());
  const std::string_view host = std::string_view(name).substr(0, colon);
  const std::string_view port = std::string_view(name).substr(std::min(colon + 1, name.size()));
  const bool has_port = colon < name.size();
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto allowed = [&](char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '.' || c == '-'; };
  const bool host_is_good = !host.empty() && host.size() <= k_max_host_name_bytes &&
                            std::ranges::all_of(host, allowed) && host.front() != '.' && host.back() != '.';
  const bool port_is_good = !port.empty() && port.size() <= 5 && std::ranges::all_of(port, is_digit);
  if (host_is_good && (!has_port || port_is_good)) return name;
  return fail(ErrorCode::flag_value, fmt::format("`{}` is not the name of a host", printable(text, 80)),
              "write it as callers do: gpu.lan, or gpu.lan:8000");
}

std::vector<std::string> hosts_of(const TcpAddress& address, std::span<const std::string> host_names) {
  const std::uint16_t port = address.port();
  std::vector<std::string> names(host_names.begin(), host_names.end());
  if (address.is_loopback || address.is_any) names.emplace_back("localhost");
  std::vector<std::string> hosts;
  if (!address.is_any) hosts.push_back(host_text(address.address));
  for (const std::string& name : names)
    hosts.push_back(name.find(':') == std::string::npos ? fmt::format("{}:{}", name, port) : name);
  if (port != k_http_port) return hosts;
  const std::size_t with_port = hosts.size();
  for (std::size_t i = 0; i < with_port; ++i)
    if (hosts[i].ends_with(":80")) hosts.push_back(hosts[i].substr(0, hosts[i].size() - 3));
  return hosts;
}

Result<std::vector<OpenedDoor>> open_tcp_doors(const ListenSettings& settings) {
  std::vector<OpenedDoor> doors;
  for (const TcpAddress& address : settings.addresses) {
    MRUN_TRY(check_reach(address, settings.insecure_plaintext));
    MRUN_ASSIGN(OpenedDoor door, open_door(address, settings.host_names));
    doors.push_back(std::move(door));
  }
  return doors;
}

} // namespace mrun
