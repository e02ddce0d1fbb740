// Hosts of registries, in the one spelling under which mrun knows them.
#pragma once

#include <string>
#include <string_view>

namespace mrun {

// Lower case, without a dot at its end; numeric addresses in their usual form; a port without leading zeros,
// and none where it is the scheme's own and the name is a host's without it; Docker's registry by its short
// name. So whatever is kept or asked by host (rules, origins, locks, credentials) holds for every way to
// write it. `host`: HOST[:PORT].
std::string canonical_host(std::string_view host);

// A host that is this machine by its name: localhost, 127.0.0.0/8, [::1]. Plain HTTP is for these only.
// Without a port.
bool is_loopback_host(std::string_view host);

} // namespace mrun
