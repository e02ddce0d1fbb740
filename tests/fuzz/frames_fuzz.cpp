// Packets of a worker: what is taken as a frame is sent on as the same frame.
#include <array>
#include <cstring>

#include <sys/socket.h>
#include <sys/uio.h>

#include "common/fd.h"
#include "common/limits.h"
#include "runtime/frames.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

constexpr std::size_t k_most_fds = 3;

// The packet as any process could send it: bytes, and memory files of `payload`.
void send_raw(int socket, std::string_view bytes, const std::vector<UniqueFd>& files) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(k_most_fds * sizeof(int))> control{};
  if (!files.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(files.size() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(files.size() * sizeof(int));
    for (std::size_t i = 0; i < files.size(); ++i) {
      const int fd = files[i].get();
      std::memcpy(CMSG_DATA(rights) + i * sizeof(int), &fd, sizeof fd);
    }
  }
  MRUN_CHECK(::sendmsg(socket, &message, MSG_NOSIGNAL) >= 0);
}

void check_frame(const Frame& frame, std::size_t file_count) {
  MRUN_CHECK(!frame.type().empty() && frame.fds.size() <= file_count);
  if (frame.header.contains("payload")) return;
  std::vector<int> fds;
  for (const UniqueFd& fd : frame.fds)
    fds.push_back(fd.get());
  const auto ends = frame_socketpair().value();
  MRUN_CHECK(send_frame(ends.first.get(), frame.header, frame.payload(), fds).has_value());
  const auto again = receive_frame(ends.second.get());
  MRUN_CHECK(again.has_value() && again->has_value());
  MRUN_CHECK((*again)->header == frame.header && (*again)->payload() == frame.payload());
  MRUN_CHECK((*again)->fds.size() == frame.fds.size());
}

} // namespace

// The first byte says how many descriptors come along, each of a sealed memory file with eight bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 64 * k_kib) return 0;
  std::vector<UniqueFd> files;
  while (files.size() < data[0] % (k_most_fds + 1))
    files.push_back(sealed_memfd("mrun-fuzz", "a memory").value());
  const auto ends = frame_socketpair().value();
  send_raw(ends.first.get(), fuzz::text_of(data + 1, size - 1), files);
  const auto frame = receive_frame(ends.second.get());
  if (!frame) {
    fuzz::check_error(frame.error());
    return 0;
  }
  MRUN_CHECK(frame->has_value());
  check_frame(**frame, files.size());
  return 0;
}
