#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/limits.h"
#include "runtime/frames.h"

using namespace mrun;

namespace {

struct Pair {
  Pair() {
    auto pair = frame_socketpair();
    REQUIRE(pair);
    daemon = std::move(pair->first);
    worker = std::move(pair->second);
  }
  UniqueFd daemon, worker;
};

// A hostile peer: any bytes, any descriptors.
void send_raw(int socket, std::string_view bytes, const std::vector<int>& fds = {}) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  std::vector<std::max_align_t> control(CMSG_SPACE(fds.size() * sizeof(int)) / sizeof(std::max_align_t) + 1);
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
  }
  REQUIRE(::sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

std::string packet(std::string_view header, std::string_view payload = {}) {
  std::string bytes(4, '\0');
  for (unsigned i = 0; i < 4; ++i)
    bytes[i] = static_cast<char>((header.size() >> (8 * i)) & 0xff);
  return bytes.append(header).append(payload);
}

// What the reader says about a raw packet; "" when it is accepted.
std::string refusal(std::string_view bytes, const std::vector<int>& fds = {}) {
  Pair pair;
  send_raw(pair.worker.get(), bytes, fds);
  auto frame = receive_frame(pair.daemon.get());
  if (frame) return "";
  CHECK(frame.error().code == ErrorCode::worker_protocol);
  return frame.error().message;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

int open_fd_count() {
  int count = 0;
  for (int fd = 0; fd < 1024; ++fd)
    count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

UniqueFd plain_memfd(std::string_view bytes) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  REQUIRE(::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  return fd;
}

} // namespace

TEST_CASE("a frame is length, header and payload, byte for byte") {
  Pair pair;
  REQUIRE(send_frame(pair.daemon.get(), Json{{"t", "cancel"}, {"id", 7}}, "abc"));
  std::array<char, 256> buffer{};
  const ssize_t got = ::recv(pair.worker.get(), buffer.data(), buffer.size(), 0);
  const std::string expected = std::string("\x15\0\0\0", 4) + R"({"id":7,"t":"cancel"})" + "abc";
  CHECK(std::string(buffer.data(), static_cast<std::size_t>(got)) == expected);
}

TEST_CASE("a frame arrives as it was sent, payloads up to 64 KiB inline and larger ones by memory file") {
  Pair pair;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, 64 * k_kib, 64 * k_kib + 1, 3 * k_mib}) {
    const std::string payload(size, 'x');
    REQUIRE(send_frame(pair.daemon.get(), Json{{"t", "output"}, {"id", 1}}, payload));
    auto frame = receive_frame(pair.worker.get());
    REQUIRE(frame);
    REQUIRE(*frame);
    CHECK((*frame)->type() == "output");
    CHECK((*frame)->payload() == payload);
    CHECK((*frame)->inline_payload.empty() == (size == 0 || size > 64 * k_kib));
  }
}

TEST_CASE("descriptors arrive in order, close-on-exec, after the payload's") {
  Pair pair;
  const UniqueFd first = plain_memfd("first"), second = plain_memfd("second");
  const Json header{{"t", "predict"}, {"id", 1}, {"fds", {"file", "file"}}};
  const std::string large(100 * k_kib, 'y');
  REQUIRE(send_frame(pair.daemon.get(), header, large, {first.get(), second.get()}));
  auto frame = receive_frame(pair.worker.get());
  REQUIRE(frame);
  REQUIRE((*frame)->fds.size() == 2);
  CHECK((*frame)->payload() == large);
  std::array<char, 16> text{};
  REQUIRE(::pread((*frame)->fds[1].get(), text.data(), text.size(), 0) == 6);
  CHECK(std::string_view(text.data()) == "second");
  for (const UniqueFd& fd : (*frame)->fds)
    CHECK((::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("non-blocking ends say that there is nothing to read, or that the queue is full") {
  Pair pair;
  REQUIRE(set_nonblocking(pair.daemon.get()));
  auto nothing = receive_frame(pair.daemon.get());
  REQUIRE(nothing);
  CHECK_FALSE(*nothing);
  const std::string payload(32 * k_kib, 'x');
  Result<void> sent;
  for (int i = 0; i < 1000 && sent; ++i)
    sent = send_frame(pair.daemon.get(), Json{{"t", "x"}}, payload);
  REQUIRE_FALSE(sent);
  CHECK(sent.error().code == ErrorCode::resources);
}

TEST_CASE("a closed peer is worker_crashed on both sides") {
  Pair pair;
  pair.worker.reset();
  auto frame = receive_frame(pair.daemon.get());
  REQUIRE_FALSE(frame);
  CHECK(frame.error().code == ErrorCode::worker_crashed);
  auto sent = send_frame(pair.daemon.get(), Json{{"t", "exit"}});
  REQUIRE_FALSE(sent);
  CHECK(sent.error().code == ErrorCode::worker_crashed);
}

TEST_CASE("a peer that closed with unread frames is worker_crashed, not io") {
  Pair pair;
  REQUIRE(send_frame(pair.daemon.get(), Json{{"t", "exit"}}));
  pair.worker.reset();
  auto frame = receive_frame(pair.daemon.get());
  REQUIRE_FALSE(frame);
  CHECK(frame.error().code == ErrorCode::worker_crashed);
}

TEST_CASE("hostile bytes are refused") {
  CHECK(has(refusal("x"), "it has 1 bytes"));
  CHECK(has(refusal(std::string("\0\0\0\0{}", 6)), "header length is 0"));
  CHECK(has(refusal(std::string("\xff\xff\xff\xff{}", 6)), "header length is 4294967295"));
  CHECK(has(refusal(std::string("\x07\0\0\0{}", 6)), "2 bytes follow"));
  CHECK(has(refusal(packet("[]")), "not an object"));
  CHECK(has(refusal(packet("{}")), "string `t`"));
  CHECK(has(refusal(packet(R"({"t":1})")), "string `t`"));
  CHECK(has(refusal(packet(R"({"t":"x","t":"y"})")), "twice"));
  CHECK(has(refusal(packet("{\"t\":\"\xff\"}")), "not valid JSON"));
  CHECK(has(refusal(packet(R"({"t":"x")")), "not valid JSON"));
  CHECK(has(refusal(packet(R"({"t":"x","a":)" + std::string(70, '[') + std::string(70, ']') + "}")),
            "levels deep"));
  CHECK(has(refusal(packet(R"({"t":"x"})", std::string(64 * k_kib + 1, 'p'))), "inline payload"));
  CHECK(has(refusal(packet(R"({"t":"x"})", std::string(130 * k_kib, 'p'))), "it has over"));
}

TEST_CASE("hostile payload declarations are refused") {
  const UniqueFd good = [] { return *sealed_memfd("good", "hello"); }();
  const auto header = [](std::string_view payload) {
    return packet(std::string(R"({"t":"x","payload":)").append(payload) + "}");
  };
  CHECK(refusal(header(R"({"fd":0,"size":5})"), {good.get()}).empty());
  CHECK(has(refusal(header("7"), {good.get()}), "not an object"));
  CHECK(has(refusal(header(R"({"fd":1,"size":5})"), {good.get()}), "must be 0"));
  CHECK(has(refusal(header(R"({"fd":0,"size":5})")), "descriptor is missing"));
  CHECK(has(refusal(header(R"({"fd":0,"size":6})"), {good.get()}), "has 5 bytes, the header says 6"));
  CHECK(has(refusal(header(R"({"fd":0,"size":0})"), {good.get()}), "has 0 bytes"));
  CHECK(has(refusal(header(R"({"fd":0,"size":-1})"), {good.get()}), "has -1 bytes"));
  CHECK(has(refusal(header(R"({"fd":0,"size":1073741825})"), {good.get()}), "1073741825"));
  CHECK(has(refusal(header(R"({"fd":0,"size":1e3})"), {good.get()}), "not an integer"));
  CHECK(has(refusal(packet(R"({"t":"x","payload":{"fd":0,"size":5}})", "more"), {good.get()}),
            "inline payload and"));
}

TEST_CASE("a payload file that could still change, or is none, is refused") {
  const std::string bytes = packet(R"({"t":"x","payload":{"fd":0,"size":5}})");
  const UniqueFd unsealed = plain_memfd("hello");
  CHECK(has(refusal(bytes, {unsealed.get()}), "not sealed"));
  const UniqueFd half = plain_memfd("hello");
  REQUIRE(::fcntl(half.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
  CHECK(has(refusal(bytes, {half.get()}), "not sealed"));
  const UniqueFd device(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  CHECK(has(refusal(bytes, {device.get()}), "not a memory file"));
  char pattern[] = "/tmp/mrun-frame-XXXXXX";
  const UniqueFd disk(::mkstemp(pattern));
  ::unlink(pattern);
  REQUIRE(::write(disk.get(), "hello", 5) == 5);
  CHECK(has(refusal(bytes, {disk.get()}), "not sealed"));
}

TEST_CASE("descriptors that the header does not name are refused and closed") {
  const UniqueFd fd = plain_memfd("x");
  const int before = open_fd_count();
  CHECK(has(refusal(packet(R"({"t":"x"})"), {fd.get()}), "does not name"));
  CHECK(
      has(refusal(packet(R"({"t":"x","fds":["a","b"]})"), {fd.get()}), "names 2 descriptors, it carries 1"));
  CHECK(has(refusal(packet(R"({"t":"x","fds":"a"})"), {fd.get()}), "not an array"));
  CHECK(has(refusal(packet(R"({"t":"x","fds":[1]})"), {fd.get()}), "else than names"));
  CHECK(has(refusal(packet(R"({"t":"x"})"), std::vector<int>(100, fd.get())), "over 64 descriptors"));
  CHECK(open_fd_count() == before);
}

TEST_CASE("too large a payload or too many descriptors are refused before they are sent") {
  Pair pair;
  const Json header{{"t", "x"}, {"fds", std::vector<std::string>(65, "file")}};
  const UniqueFd fd = plain_memfd("x");
  auto sent = send_frame(pair.daemon.get(), header, {}, std::vector<int>(65, fd.get()));
  REQUIRE_FALSE(sent);
  CHECK(sent.error().code == ErrorCode::request_too_large);
  const std::string_view huge("", k_max_payload_bytes + 1); // only its size is looked at
  auto refused = send_frame(pair.daemon.get(), Json{{"t", "x"}}, huge);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::output_limit);
}
