// data: URIs (RFC 2397).
#pragma once

#include <string>
#include <string_view>

namespace mrun {

struct DataUri {
  std::string media_type; // as written, without parameters; may be empty
  std::string bytes;
};

bool is_data_uri(std::string_view text);
// False when it is not a well-formed data: URI.
bool parse_data_uri(std::string_view text, DataUri& uri);

} // namespace mrun
