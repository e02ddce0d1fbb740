// What the headers of a registry's reply say.
#pragma once

#include <string>

#include "packager/registry/http.h"

namespace mrun {

std::string media_type_of(const HttpReply& reply); // in lower case, without parameters
// The `next` target of Link headers (RFC 8288); "" for none.
std::string next_link(const HttpReply& reply);

} // namespace mrun
