// Which proxy leads to a URL, if any, by the variables that curl, Go and Python know.
#pragma once

#include <string>

#include "packager/registry/url.h"

namespace mrun {

// "" for none. `https_proxy` or `http_proxy` by the scheme (HTTPS_PROXY too; HTTP_PROXY is not read, since a
// web server may set it from a request), else `all_proxy`; not for hosts of `no_proxy`: names with all below
// them, addresses and CIDR blocks, each with a port or without, or `*`. Never for this machine itself, as Go
// has it: plain HTTP must not leave it.
std::string proxy_for(const Url& url);

} // namespace mrun
