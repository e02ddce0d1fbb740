#include "cli/client/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <boost/asio/buffer.hpp>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/client/reply_parser.h"
#include "common/build_info.h"
#include "common/limits.h"
#include "common/text.h"
#include "common/unix_socket.h"

namespace mrun::cli {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;

constexpr std::size_t k_read_bytes = 64 * k_kib;

constexpr std::string_view k_no_answer = "no answer in time";
constexpr std::chrono::seconds k_words_wait{1}; // for why a daemon did not read all of a request

tl::unexpected<Error> broken(std::string_view what) {
  return fail(ErrorCode::daemon_unreachable, fmt::format("the connection to the daemon broke: {}", what));
}

tl::unexpected<Error> interrupted() {
  return fail(ErrorCode::interrupted_by_user, "interrupted while the daemon was asked");
}

// Waits for `events` of `fd`, which may come as an error of it.
Wake wait_for(int fd, short events, Deadline deadline, int interrupt_fd) {
  while (true) {
    std::array<pollfd, 2> waits = {pollfd{fd, events, 0}, pollfd{interrupt_fd, POLLIN, 0}};
    int timeout_ms = -1;
    if (deadline) {
      const auto left = *deadline - std::chrono::steady_clock::now();
      const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
      timeout_ms = static_cast<int>(std::clamp<long long>(ms, 0, 1'000'000'000));
    }
    const int ready = ::poll(waits.data(), interrupt_fd >= 0 ? 2 : 1, timeout_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return Wake::timed_out;
    if (interrupt_fd >= 0 && waits[1].revents != 0) return Wake::interrupted;
    return Wake::readable;
  }
}

// The end of a single wait of an exchange.
Deadline end_of_wait(const Patience& patience) {
  return patience.deadline ? patience.deadline : std::chrono::steady_clock::now() + k_longest_silence;
}

Result<void> send_all(int fd, std::string_view bytes, const Patience& patience) {
  while (!bytes.empty()) {
    const Wake wake = wait_for(fd, POLLOUT, end_of_wait(patience), patience.interrupt_fd);
    if (wake == Wake::timed_out) return broken(k_no_answer);
    if (wake == Wake::interrupted) return interrupted();
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) continue;
    if (sent < 0) return broken(std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<void> send_file(int fd, int file, std::uint64_t size, const Patience& patience) {
  std::string buffer(k_read_bytes, '\0');
  std::uint64_t offset = 0;
  while (offset < size) {
    const std::size_t want = std::min<std::uint64_t>(buffer.size(), size - offset);
    const ssize_t got = ::pread(file, buffer.data(), want, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(ErrorCode::input_file, errno, "can't read the input file");
    if (got == 0) return fail(ErrorCode::input_file, "the input file became shorter while it was sent");
    MRUN_TRY(send_all(fd, std::string_view(buffer.data(), static_cast<std::size_t>(got)), patience));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

Result<void> send_request(int fd, const std::string& head, const HttpRequest& request,
                          const Patience& patience) {
  MRUN_TRY(send_all(fd, head + request.body, patience));
  if (request.file_fd >= 0) MRUN_TRY(send_file(fd, request.file_fd, request.file_size, patience));
  return send_all(fd, request.body_tail, patience);
}

// Connects, in slices: connect(2) waits, without telling poll(2), when those who wait before us are too many.
// 0, or errno.
int connect_within(int fd, const sockaddr_un& address, Deadline deadline, int interrupt_fd) {
  const timeval slice{.tv_sec = 0, .tv_usec = 100'000};
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &slice, sizeof slice);
  while (true) {
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return 0;
    if (errno != EAGAIN && errno != EINTR) return errno;
    const auto now = std::chrono::steady_clock::now();
    if (interrupt_fd >= 0 && wait_for(interrupt_fd, POLLIN, now, -1) == Wake::readable) return EINTR;
    if (deadline && now >= *deadline) return ETIMEDOUT;
  }
}

std::string head_text(const HttpRequest& request) {
  std::string text =
      fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: mrun/{}\r\nMrun-Build: {}\r\n",
                  request.method, request.target, version_text(), build_id());
  for (const auto& [name, value] : request.headers)
    text += fmt::format("{}: {}\r\n", name, value);
  const std::uint64_t size = request.body.size() + request.file_size + request.body_tail.size();
  if (size > 0 || request.method != "GET") text += fmt::format("Content-Length: {}\r\n", size);
  return text + "\r\n";
}

Result<int> check_peer(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
    return fail_errno(ErrorCode::daemon_unreachable, errno, "can't tell whose daemon this is");
  if (peer.uid != ::geteuid() && peer.uid != 0) // root's service manager may have made it
    return fail(ErrorCode::peer_refused,
                fmt::format("the socket is served by user {}, not by you", peer.uid));
  return peer.pid;
}

} // namespace

std::string HttpHead::header(std::string_view lower_name) const {
  for (const auto& [name, value] : headers)
    if (name == lower_name) return value;
  return {};
}

struct Connection::Impl {
  std::filesystem::path socket;
  UniqueFd fd;
  int peer_process = 0;
  std::optional<ReplyParser> parser;
  std::string unparsed;
  bool may_have_arrived = false;

  // Feeds the parser with what is there; leaves what it can't use yet.
  Result<void> parse() {
    while (!unparsed.empty() && !parser->is_done()) {
      error_code error;
      const std::size_t used = parser->put(boost::asio::buffer(unparsed), error);
      unparsed.erase(0, used);
      if (error == http::error::need_more) return {};
      if (error) return broken(error.message());
      if (used == 0) return {};
    }
    return {};
  }
  Result<ReadResult> receive(Deadline deadline, int interrupt_fd) {
    switch (wait_readable(fd.get(), deadline, interrupt_fd)) {
    case Wake::timed_out:
      return ReadResult::timed_out;
    case Wake::interrupted:
      return ReadResult::interrupted;
    case Wake::readable:
      break;
    }
    const std::size_t before = unparsed.size();
    unparsed.resize(before + k_read_bytes);
    const ssize_t got = ::recv(fd.get(), unparsed.data() + before, k_read_bytes, 0);
    unparsed.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return ReadResult::data;
    if (got < 0) {
      // A Unix socket that is closed with something unread in it resets (unix(7)); one that was read to its
      // end just ends. So not all of the request was read.
      if (errno == ECONNRESET && !parser->is_header_done()) may_have_arrived = false;
      return broken(std::strerror(errno));
    }
    if (got == 0) return end_of_stream();
    MRUN_TRY(parse());
    return ReadResult::data;
  }
  Result<ReadResult> end_of_stream() {
    if (parser->is_header_done() && parser->need_eof()) {
      error_code error;
      parser->put_eof(error);
      if (!error) return ReadResult::end;
    }
    return broken("it ended in the middle of a reply");
  }
};

Connection::Connection(std::unique_ptr<Impl> impl) : m_impl(std::move(impl)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Result<std::optional<Connection>> Connection::open(const std::filesystem::path& socket, Patience patience) {
  MRUN_ASSIGN(const sockaddr_un address, socket_address(socket));
  auto impl = std::make_unique<Impl>();
  impl->socket = socket;
  impl->fd.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!impl->fd) return fail_errno(ErrorCode::resources, errno, "can't make a socket");
  const int problem = connect_within(impl->fd.get(), address, end_of_wait(patience), patience.interrupt_fd);
  if (problem == ENOENT || problem == ECONNREFUSED || problem == ENOTDIR) return std::nullopt;
  if (problem == EINTR) return interrupted();
  if (problem == ETIMEDOUT) return broken(k_no_answer);
  if (problem != 0)
    return fail_errno(ErrorCode::daemon_unreachable, problem,
                      fmt::format("can't connect to {}", socket.string()));
  MRUN_ASSIGN(impl->peer_process, check_peer(impl->fd.get()));
  return Connection(std::move(impl));
}

Result<HttpHead> Connection::send(const HttpRequest& request, Patience patience) {
  // A reply that was left unread, or after which the daemon closes, ends the use of the connection.
  if (m_impl->parser && !(m_impl->parser->is_done() && m_impl->parser->keep_alive())) {
    MRUN_ASSIGN(auto fresh, open(m_impl->socket, patience));
    if (!fresh) return broken("the daemon is gone");
    m_impl = std::move(fresh->m_impl);
  }
  m_impl->parser.emplace();
  m_impl->may_have_arrived = false;
  // A daemon that refuses early (413) closes while we still send: its words count for more than the broken
  // pipe.
  const Result<void> sent = send_request(m_impl->fd.get(), head_text(request), request, patience);
  if (!sent && sent.error().code != ErrorCode::daemon_unreachable) return tl::unexpected<Error>(sent.error());
  m_impl->may_have_arrived = sent.has_value();
  MRUN_TRY(m_impl->parse());
  if (!sent && !patience.deadline) patience.deadline = std::chrono::steady_clock::now() + k_words_wait;
  while (!m_impl->parser->is_header_done()) {
    const Result<ReadResult> got = m_impl->receive(end_of_wait(patience), patience.interrupt_fd);
    if (!got) return tl::unexpected<Error>(sent ? got.error() : sent.error());
    if (*got == ReadResult::timed_out) return broken(k_no_answer);
    if (*got == ReadResult::interrupted) return interrupted();
  }
  return m_impl->parser->head;
}

bool Connection::may_have_arrived() const {
  return m_impl->may_have_arrived;
}

Result<ReadResult> Connection::read(std::string& sink, Deadline deadline, int interrupt_fd) {
  ReplyParser& parser = *m_impl->parser;
  while (true) {
    if (!parser.body.empty()) {
      sink += std::exchange(parser.body, {});
      return ReadResult::data;
    }
    if (parser.is_done()) return ReadResult::end;
    MRUN_ASSIGN(const ReadResult result, m_impl->receive(deadline, interrupt_fd));
    if (result == ReadResult::end && parser.body.empty()) return result;
    if (result == ReadResult::timed_out || result == ReadResult::interrupted) return result;
  }
}

Result<std::string> Connection::read_body(std::size_t limit, Patience patience) {
  std::string body;
  while (true) {
    MRUN_ASSIGN(const ReadResult result, read(body, end_of_wait(patience), patience.interrupt_fd));
    if (result == ReadResult::end) return body;
    if (result == ReadResult::timed_out) return broken(k_no_answer);
    if (result == ReadResult::interrupted) return interrupted();
    if (body.size() > limit) return broken(fmt::format("the reply has over {}", format_bytes(limit)));
  }
}

const std::filesystem::path& Connection::socket() const {
  return m_impl->socket;
}
int Connection::fd() const {
  return m_impl->fd.get();
}
int Connection::peer_process() const {
  return m_impl->peer_process;
}

bool Connection::wait_closed(Deadline deadline) {
  char byte = 0;
  while (wait_readable(m_impl->fd.get(), deadline, -1) == Wake::readable)
    if (::recv(m_impl->fd.get(), &byte, 1, 0) <= 0) return true;
  return false;
}

Wake wait_readable(int fd, Deadline deadline, int interrupt_fd) {
  return wait_for(fd, POLLIN, deadline, interrupt_fd);
}

} // namespace mrun::cli
