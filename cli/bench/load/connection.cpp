#include "cli/bench/load/connection.h"

#include <cerrno>
#include <cstring>

#include <boost/asio/buffer.hpp>
#include <sys/socket.h>

#include "cli/client/reply_limit.h"
#include "common/text.h"

namespace mrun::bench {

int Connection::open(const sockaddr_un& address, Poller& poller, std::uint64_t key) {
  m_fd.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!m_fd || ::connect(m_fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    const int problem = errno;
    m_fd.reset();
    return problem;
  }
  m_poller = &poller;
  m_key = key;
  m_wants_write = false;
  poller.add(m_fd.get(), EPOLLIN | EPOLLRDHUP, key);
  return 0;
}

void Connection::begin(const std::string& request, std::size_t sample, std::int64_t deadline_ns) {
  m_request = &request;
  m_sample = sample;
  m_sent_bytes = 0;
  m_deadline_ns = deadline_ns;
  m_parser.emplace();
  m_events.reset();
  m_unparsed.clear();
  m_done.clear();
  m_problem.clear();
}

void Connection::send() {
  while (m_sent_bytes < m_request->size()) {
    const ssize_t sent =
        ::send(m_fd.get(), m_request->data() + m_sent_bytes, m_request->size() - m_sent_bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return want_write(true);
    // A daemon that refuses early has said why: its words are read, the broken pipe is not reported.
    if (sent < 0) break;
    m_sent_bytes += static_cast<std::size_t>(sent);
  }
  want_write(false);
}

void Connection::want_write(bool wanted) {
  if (m_wants_write == wanted) return;
  m_wants_write = wanted;
  m_poller->change(m_fd.get(), EPOLLIN | EPOLLRDHUP | (wanted ? EPOLLOUT : 0U), m_key);
}

ReplyState Connection::broken(std::string_view why) {
  m_problem = printable(why);
  return ReplyState::broken;
}

ReplyState Connection::receive(std::span<char> buffer, Sample& sample, std::int64_t at_ns) {
  const ssize_t got = ::recv(m_fd.get(), buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return ReplyState::partial;
  if (got < 0) return broken(std::strerror(errno));
  if (got == 0) return broken("the connection was closed without a reply");
  if (sample.first_byte_ns < 0) sample.first_byte_ns = at_ns;
  m_unparsed.append(buffer.data(), static_cast<std::size_t>(got));
  while (!m_unparsed.empty() && !m_parser->is_done()) {
    boost::beast::error_code error;
    const std::size_t used = m_parser->put(boost::asio::buffer(m_unparsed), error);
    m_unparsed.erase(0, used);
    if (error && error != boost::beast::http::error::need_more) return broken(error.message());
    if (error || used == 0) break;
  }
  if (m_parser->body.size() > cli::k_max_reply_bytes) return broken("the reply is too large");
  if (m_parser->is_header_done() && !follow_events(sample, at_ns)) return broken("an event is too large");
  return m_parser->is_done() ? ReplyState::whole : ReplyState::partial;
}

// Events of a streamed reply are taken apart as they come: the first output's time counts.
bool Connection::follow_events(Sample& sample, std::int64_t at_ns) {
  if (status() >= 400 || !m_parser->head.header("content-type").starts_with("text/event-stream")) return true;
  if (!m_events) m_events.emplace();
  if (!m_events->feed(std::exchange(m_parser->body, {}))) return false;
  while (auto event = m_events->next()) {
    if (event->type == "output" && sample.first_output_ns < 0) sample.first_output_ns = at_ns;
    if (event->type == "done" || event->type == "error") m_done = std::move(event->data);
  }
  return true;
}

std::string Connection::take_body() {
  return m_events ? std::move(m_done) : std::move(m_parser->body);
}

bool Connection::end() {
  m_request = nullptr;
  return m_parser->is_done() && m_parser->keep_alive();
}

} // namespace mrun::bench
