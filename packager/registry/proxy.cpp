#include "packager/registry/proxy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include <arpa/inet.h>

#include "common/text.h"
#include "packager/registry_host.h"

namespace mrun {
namespace {

std::string variable(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  return {};
}

struct Address {
  std::array<unsigned char, 16> bytes{};
  int bits = 0; // 32 or 128; 0: none
};

Address address_of(std::string text) {
  if (text.starts_with('[')) text = text.substr(1, text.size() - 2);
  Address address;
  if (::inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1)
    address.bits = 32;
  else if (::inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1)
    address.bits = 128;
  return address;
}

bool lies_in(const Address& address, const Address& block, int prefix) {
  if (address.bits == 0 || address.bits != block.bits || prefix < 0 || prefix > block.bits) return false;
  for (int bit = 0; bit < prefix; ++bit) {
    const auto at = static_cast<std::size_t>(bit / 8);
    const int shift = 7 - bit % 8;
    if (((address.bytes[at] ^ block.bytes[at]) >> shift & 1) != 0) return false;
  }
  return true;
}

// An entry of no_proxy.
bool excepts(std::string_view entry, const Url& url) {
  if (entry == "*") return true;
  if (const std::size_t slash = entry.find('/'); slash != std::string_view::npos) {
    int prefix = -1;
    const auto [end, failed] = std::from_chars(entry.data() + slash + 1, entry.data() + entry.size(), prefix);
    return failed == std::errc() && end == entry.data() + entry.size() &&
           lies_in(address_of(url.host), address_of(std::string(entry.substr(0, slash))), prefix);
  }
  const bool bare_v6 = std::count(entry.begin(), entry.end(), ':') > 1 && !entry.starts_with('[');
  const std::size_t colon = bare_v6 ? std::string_view::npos : entry.find(':', entry.rfind(']') + 1);
  if (colon != std::string_view::npos && entry.substr(colon + 1) != url.port) return false;
  std::string name = lower_ascii(entry.substr(0, colon));
  if (bare_v6) name = "[" + name + "]";
  while (name.starts_with('.'))
    name.erase(0, 1);
  while (name.ends_with('.'))
    name.pop_back();
  return !name.empty() && (url.host == name || url.host.ends_with("." + name));
}

} // namespace

std::string proxy_for(const Url& url) {
  if (is_loopback_host(url.host)) return {};
  std::string proxy =
      url.scheme == "https" ? variable({"https_proxy", "HTTPS_PROXY"}) : variable({"http_proxy"});
  if (proxy.empty()) proxy = variable({"all_proxy", "ALL_PROXY"});
  if (proxy.empty()) return {};
  std::string exceptions = variable({"no_proxy", "NO_PROXY"});
  std::ranges::replace(exceptions, ' ', ',');
  for (const std::string_view entry : split(exceptions, ','))
    if (excepts(trim(entry), url)) return {};
  return proxy;
}

} // namespace mrun
