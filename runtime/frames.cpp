#include "runtime/frames.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "common/limits.h"

namespace mrun {
namespace {

constexpr std::size_t k_length_bytes = 4;
constexpr std::size_t k_max_packet_bytes =
    k_length_bytes + k_max_frame_header_bytes + k_max_inline_payload_bytes;
constexpr int k_seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

// What one recvmsg gave.
struct Packet {
  std::string_view bytes;
  std::vector<UniqueFd> fds;
};

tl::unexpected<Error> broken(std::string message) {
  return fail(ErrorCode::worker_protocol, "a frame is not valid: " + std::move(message));
}

void put_length(char* out, std::size_t length) {
  for (unsigned i = 0; i < k_length_bytes; ++i)
    out[i] = static_cast<char>((length >> (8 * i)) & 0xff);
}

std::size_t get_length(std::string_view bytes) {
  std::size_t length = 0;
  for (unsigned i = 0; i < k_length_bytes; ++i)
    length |= static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return length;
}

Result<void> send_packet(int socket, std::string_view header, std::string_view payload,
                         const std::vector<int>& fds) {
  std::array<char, k_length_bytes> length{};
  put_length(length.data(), header.size());
  std::array<iovec, 3> parts = {iovec{length.data(), length.size()},
                                iovec{const_cast<char*>(header.data()), header.size()},
                                iovec{const_cast<char*>(payload.data()), payload.size()}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = payload.empty() ? 2 : 3;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(k_max_frame_fds * sizeof(int))> control{};
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
  }
  for (;;) {
    if (::sendmsg(socket, &message, MSG_NOSIGNAL) >= 0) return {};
    if (errno == EINTR) continue;
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
      return fail(ErrorCode::worker_crashed, "the other end of the control socket is closed");
    if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS)
      return fail(ErrorCode::resources, "the control socket's queue is full");
    return fail_errno(ErrorCode::io, errno, "can't send a frame");
  }
}

// Takes every descriptor out of the control data, so that none leaks when the packet is refused.
std::vector<UniqueFd> take_fds(msghdr& message) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

// nullopt: nothing to read now.
Result<std::optional<Packet>> receive_packet(int socket, std::span<char> buffer) {
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(k_max_frame_fds * sizeof(int))> control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got = -1;
  do
    got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
  if (got < 0 && errno == ECONNRESET)
    return fail(ErrorCode::worker_crashed, "the other end of the control socket is closed");
  if (got < 0) return fail_errno(ErrorCode::io, errno, "can't receive a frame");
  Packet packet{std::string_view(buffer.data(), static_cast<std::size_t>(got)), take_fds(message)};
  if ((message.msg_flags & MSG_CTRUNC) != 0)
    return broken(fmt::format("it carries over {} descriptors", k_max_frame_fds));
  if ((message.msg_flags & MSG_TRUNC) != 0)
    return broken(fmt::format("it has over {} bytes", k_max_packet_bytes));
  if (got == 0) return fail(ErrorCode::worker_crashed, "the other end of the control socket is closed");
  return packet;
}

// The payload's memory file, checked for type, seals and size before it is mapped: nothing that the peer does
// later can change or shorten it.
Result<Mapping> map_payload(int fd, std::uint64_t size_bytes) {
  struct stat status {};
  if (::fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) return broken("its payload is not a memory file");
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & k_seals) != k_seals) return broken("its payload's memory file is not sealed");
  if (static_cast<std::uint64_t>(status.st_size) != size_bytes)
    return broken(fmt::format("its payload's memory file has {} bytes, the header says {}", status.st_size,
                              size_bytes));
  return Mapping::map(fd, 0, static_cast<std::size_t>(size_bytes));
}

// Nothing when the header has no `payload`.
Result<std::optional<std::uint64_t>> payload_size(const Json& header) {
  const auto payload = header.find("payload");
  if (payload == header.end()) return std::nullopt;
  if (!payload->is_object()) return broken("`payload` is not an object");
  MRUN_ASSIGN(const std::int64_t index,
              need_integer(*payload, "fd", ErrorCode::worker_protocol, "a frame's `payload`"));
  MRUN_ASSIGN(const std::int64_t size,
              need_integer(*payload, "size", ErrorCode::worker_protocol, "a frame's `payload`"));
  if (index != 0) return broken(fmt::format("its payload is descriptor {}, it must be 0", index));
  if (size < 1 || static_cast<std::uint64_t>(size) > k_max_payload_bytes)
    return broken(fmt::format("its payload has {} bytes, 1 to {} are allowed", size, k_max_payload_bytes));
  return static_cast<std::uint64_t>(size);
}

// `fds` names every descriptor but the payload's.
Result<void> check_fd_names(const Json& header, std::size_t count) {
  const auto names = header.find("fds");
  if (names == header.end()) {
    if (count != 0) return broken(fmt::format("it carries {} descriptors that `fds` does not name", count));
    return {};
  }
  if (!names->is_array()) return broken("`fds` is not an array");
  for (const Json& name : *names)
    if (!name.is_string()) return broken("`fds` holds something else than names");
  if (names->size() != count)
    return broken(fmt::format("`fds` names {} descriptors, it carries {}", names->size(), count));
  return {};
}

Result<Frame> parse_packet(Packet packet) {
  if (packet.bytes.size() < k_length_bytes + 2)
    return broken(fmt::format("it has {} bytes", packet.bytes.size()));
  const std::size_t length = get_length(packet.bytes);
  packet.bytes.remove_prefix(k_length_bytes);
  if (length < 2 || length > k_max_frame_header_bytes || length > packet.bytes.size())
    return broken(fmt::format("its header length is {}, {} bytes follow", length, packet.bytes.size()));
  const std::string_view rest = packet.bytes.substr(length);
  if (rest.size() > k_max_inline_payload_bytes)
    return broken(fmt::format("its inline payload has {} bytes, {} are allowed", rest.size(),
                              k_max_inline_payload_bytes));
  const JsonLimits limits{k_max_frame_header_bytes, k_max_json_depth};
  Frame frame;
  MRUN_ASSIGN(frame.header, parse_json(packet.bytes.substr(0, length), ErrorCode::worker_protocol,
                                       "a frame's header", limits));
  if (!frame.header.is_object() || frame.type().empty())
    return broken("its header is not an object with the string `t`");
  MRUN_ASSIGN(const std::optional<std::uint64_t> size_bytes, payload_size(frame.header));
  frame.fds = std::move(packet.fds);
  if (size_bytes) {
    if (!rest.empty()) return broken("it has an inline payload and one in a memory file");
    if (frame.fds.empty()) return broken("its payload's descriptor is missing");
    MRUN_ASSIGN(frame.mapped_payload, map_payload(frame.fds.front().get(), *size_bytes));
    frame.fds.erase(frame.fds.begin());
  }
  MRUN_TRY(check_fd_names(frame.header, frame.fds.size()));
  frame.inline_payload = std::string(rest);
  return frame;
}

} // namespace

std::string_view Frame::type() const {
  const auto found = header.find("t");
  if (found == header.end() || !found->is_string()) return {};
  return found->get_ref<const std::string&>();
}

Result<void> send_frame(int socket, const Json& header, std::string_view payload,
                        const std::vector<int>& fds) {
  const bool large = payload.size() > k_max_inline_payload_bytes;
  if (payload.size() > k_max_payload_bytes)
    return fail(ErrorCode::output_limit,
                fmt::format("a value has {} bytes, {} are allowed", payload.size(), k_max_payload_bytes));
  if (fds.size() + (large ? 1 : 0) > k_max_frame_fds)
    return fail(ErrorCode::request_too_large,
                fmt::format("{} files are too many, {} fit", fds.size(), k_max_frame_fds - 1));
  const auto names = header.find("fds");
  MRUN_CHECK((names == header.end() ? 0 : names->size()) == fds.size());
  if (!large) {
    const std::string text = canonical_json(header);
    MRUN_CHECK(text.size() <= k_max_frame_header_bytes);
    return send_packet(socket, text, payload, fds);
  }
  MRUN_ASSIGN(const UniqueFd memory, sealed_memfd("mrun-payload", payload));
  Json extended = header;
  extended["payload"] = Json{{"fd", 0}, {"size", payload.size()}};
  std::vector<int> all_fds{memory.get()};
  all_fds.insert(all_fds.end(), fds.begin(), fds.end());
  const std::string text = canonical_json(extended);
  MRUN_CHECK(text.size() <= k_max_frame_header_bytes);
  return send_packet(socket, text, {}, all_fds);
}

Result<std::optional<Frame>> receive_frame(int socket) {
  std::array<char, k_max_packet_bytes> buffer; // not initialised: only what arrives is touched
  MRUN_ASSIGN(std::optional<Packet> packet, receive_packet(socket, buffer));
  if (!packet) return std::nullopt;
  MRUN_ASSIGN(Frame frame, parse_packet(std::move(*packet)));
  return frame;
}

Result<std::pair<UniqueFd, UniqueFd>> frame_socketpair() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) < 0)
    return fail_errno(ErrorCode::io, errno, "can't make a socketpair");
  return std::pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

} // namespace mrun
