#include "packager/registry/replies.h"

#include "common/text.h"

namespace mrun {

std::string media_type_of(const HttpReply& reply) {
  const std::string type = reply.header("content-type");
  return lower_ascii(trim(type.substr(0, type.find(';'))));
}

std::string next_link(const HttpReply& reply) {
  for (const std::string& header : reply.all_headers("link")) {
    const std::size_t open = header.find('<'), close = header.find('>');
    const std::string rest = close == std::string::npos ? "" : lower_ascii(header.substr(close));
    const bool next =
        rest.find("rel=\"next\"") != std::string::npos || rest.find("rel=next") != std::string::npos;
    if (open < close && next) return header.substr(open + 1, close - open - 1);
  }
  return {};
}

} // namespace mrun
