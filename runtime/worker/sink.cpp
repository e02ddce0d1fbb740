#include "runtime/worker/sink.h"

#include <unistd.h>

#include "runtime/frames.h"

namespace mrun {

Result<void> FrameSink::send(const Json& header, std::string_view payload) {
  auto sent = send_frame(m_socket, header, payload);
  // Nobody is left to work for, and other threads may be deep inside an engine: no orderly way out.
  if (!sent && sent.error().code == ErrorCode::worker_crashed) ::_exit(0);
  return sent;
}

} // namespace mrun
