// Frames between daemon and worker: docs/formats/frames.md is the byte-for-byte description.
//
// A frame is one packet of a SOCK_SEQPACKET socketpair: u32 little-endian header length, a JSON object, then
// the payload of up to 64 KiB. A larger payload is a sealed memfd passed with the packet, as the first
// descriptor, and the header says `"payload":{"fd":0,"size":N}`. Further descriptors follow in the order of
// the header's `fds` (role names). What a worker sends is untrusted: sizes, seals and types are checked here,
// meaning by the reader.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/fd.h"
#include "common/json.h"

namespace mrun {

struct Frame {
  Json header;                // an object with at least the string `t`, the frame's type
  std::string inline_payload; // when it came in the packet
  Mapping mapped_payload;     // when it came as a memfd
  std::vector<UniqueFd> fds;  // without the payload's

  std::string_view payload() const {
    return mapped_payload.bytes().empty() ? std::string_view(inline_payload) : mapped_payload.text();
  }
  std::string_view type() const; // "" when `t` is missing
};

// Blocks as the descriptor does. Error worker_protocol: the peer broke the format (`what` names it);
// worker_crashed: the peer closed; resources: the send queue is full (EAGAIN on a non-blocking descriptor).
Result<void> send_frame(int socket, const Json& header, std::string_view payload = {},
                        const std::vector<int>& fds = {});
// nullopt: nothing to read now (EAGAIN). A closed peer is the error worker_crashed.
Result<std::optional<Frame>> receive_frame(int socket);

// A connected pair, close-on-exec; `first` is the daemon's end.
Result<std::pair<UniqueFd, UniqueFd>> frame_socketpair();

} // namespace mrun
