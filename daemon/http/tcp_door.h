// A TCP address that is listened at. Its callers show a token; the Unix socket's are its owner.
#pragma once

#include <string>
#include <vector>

#include "common/fd.h"

namespace mrun {

struct TcpDoor {
  UniqueFd listening;             // bound, listening, non-blocking
  std::vector<std::string> hosts; // what the Host header may be, in lower case: "127.0.0.1:8000"
  bool is_any = false; // bound to all of the machine's addresses: the one that was called counts too
};

} // namespace mrun
