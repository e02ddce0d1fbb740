#include "packager/registry_host.h"

#include <array>

#include <arpa/inet.h>

#include "common/text.h"

namespace mrun {
namespace {

// Without a port, too, the first part of a reference is a host by this (DECISIONS).
bool is_plainly_a_host(std::string_view name) {
  return name == "localhost" || name.starts_with('[') || name.find('.') != std::string_view::npos;
}

std::string canonical_name(std::string_view text) {
  std::string name = lower_ascii(text);
  if (name.starts_with('[')) {
    in6_addr address{};
    std::array<char, INET6_ADDRSTRLEN> shown{};
    const std::string inside = name.substr(1, name.size() - 2);
    if (::inet_pton(AF_INET6, inside.c_str(), &address) != 1) return name;
    ::inet_ntop(AF_INET6, &address, shown.data(), shown.size());
    return "[" + std::string(shown.data()) + "]";
  }
  while (name.ends_with('.') && is_plainly_a_host(std::string_view(name).substr(0, name.size() - 1)))
    name.pop_back();
  // 0x7f.1 and 127.1 are 127.0.0.1 to every resolver.
  in_addr address{};
  std::array<char, INET_ADDRSTRLEN> shown{};
  const bool numeric = !name.empty() && name[0] >= '0' && name[0] <= '9' &&
                       name.find_first_not_of("0123456789abcdefx.") == std::string::npos;
  if (!numeric || ::inet_aton(name.c_str(), &address) == 0) return name;
  ::inet_ntop(AF_INET, &address, shown.data(), shown.size());
  return shown.data();
}

} // namespace

std::string canonical_host(std::string_view host) {
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  std::string name = canonical_name(host.substr(0, colon));
  std::string_view port = colon == std::string_view::npos ? "" : host.substr(colon + 1);
  while (port.size() > 1 && port.starts_with('0'))
    port.remove_prefix(1);
  if (is_plainly_a_host(name) && port == (is_loopback_host(name) ? "80" : "443")) port = {};
  if (port.empty() && (name == "index.docker.io" || name == "registry-1.docker.io")) return "docker.io";
  return port.empty() ? name : name + ":" + std::string(port);
}

bool is_loopback_host(std::string_view host) {
  in_addr address{};
  const bool is_v4 =
      ::inet_pton(AF_INET, std::string(host).c_str(), &address) == 1; // not 127.a-domain.example
  return host == "localhost" || host == "[::1]" || (is_v4 && host.starts_with("127."));
}

} // namespace mrun
