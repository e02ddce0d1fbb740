// The writing half of Connection: replies in one write, files by sendfile, streams in chunks.
#include "daemon/http/connection.h"

#include <cerrno>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "common/log.h"

namespace mrun {
namespace {

namespace asio = boost::asio;

constexpr std::size_t k_file_part_bytes = 256 * k_kib; // then other connections have their turn
constexpr std::chrono::milliseconds k_linger{2000};    // how long a refused caller may go on sending

} // namespace

bool Connection::keeps_alive() const {
  return m_keep_alive && !m_close_after && !m_host->stopping();
}

void Connection::set_on_gone(std::function<void()> callback) {
  if (m_state == State::closed) {
    if (callback) callback();
    return;
  }
  m_on_gone = std::move(callback);
}

void Connection::set_on_drained(std::function<void()> callback) {
  if (m_state != State::closed) m_on_drained = std::move(callback);
}

void Connection::send(Reply reply) {
  if (m_state == State::closed) return;
  MRUN_CHECK(m_state == State::exchange && !m_answered);
  m_head = reply_head(reply, Framing::length, reply.body.size(), keeps_alive(), m_host->config().build_id);
  m_pending = std::move(reply.body);
  start_reply();
}

void Connection::send_file(Reply head, OutputFile file) {
  if (m_state == State::closed) return;
  MRUN_CHECK(m_state == State::exchange && !m_answered);
  m_head = reply_head(head, Framing::length, file.size_bytes, keeps_alive(), m_host->config().build_id);
  m_file = std::move(file.fd);
  m_file_offset = 0;
  m_file_left = file.size_bytes;
  start_reply();
}

void Connection::start_reply() {
  m_answered = true;
  m_on_gone = nullptr;
  touch(m_host->config().limits.write_stall_timeout);
  const std::array<asio::const_buffer, 2> parts = {asio::buffer(m_head), asio::buffer(m_pending)};
  const auto written = [self = shared_from_this()](const boost::system::error_code& error, std::size_t) {
    if (self->m_state == State::closed) return;
    if (error) return self->close();
    if (self->m_file) return self->write_file_part();
    self->finish_exchange();
  };
  if (m_pending.empty())
    asio::async_write(m_socket, parts[0], written);
  else
    asio::async_write(m_socket, parts, written);
}

void Connection::write_file_part() {
  if (m_state == State::closed) return;
  if (m_file_left == 0) return finish_exchange();
  const std::size_t want = std::min<std::uint64_t>(m_file_left, k_file_part_bytes);
  const ssize_t sent = ::sendfile(m_socket.native_handle(), m_file.get(), &m_file_offset, want);
  if (sent > 0) {
    m_file_left -= static_cast<std::uint64_t>(sent);
    touch(m_host->config().limits.write_stall_timeout);
  } else if (sent == 0 || (errno != EAGAIN && errno != EINTR)) {
    if (sent == 0) log_warn("a file that is being sent became shorter by {} bytes", m_file_left);
    return close(); // the caller sees fewer bytes than Content-Length says
  }
  m_socket.async_wait(Socket::wait_write,
                      [self = shared_from_this()](const boost::system::error_code& error) {
                        if (error) return self->close();
                        self->write_file_part();
                      });
}

void Connection::open_stream(Reply head) {
  if (m_state == State::closed) return;
  MRUN_CHECK(m_state == State::exchange && !m_answered);
  m_answered = true;
  m_streaming = true;
  m_event_stream = head.content_type == "text/event-stream";
  m_last_write = std::chrono::steady_clock::now();
  if (m_minor_version == 0) m_keep_alive = false; // no chunks in HTTP/1.0: the end of the stream closes
  const Framing framing = m_minor_version == 0 ? Framing::until_close : Framing::chunked;
  m_head = reply_head(head, framing, 0, keeps_alive(), m_host->config().build_id);
  schedule_flush();
}

void Connection::stream_write(std::string_view bytes) {
  if (m_state == State::closed || !m_streaming || m_stream_ended) return;
  if (stream_pending() == 0) touch(m_host->config().limits.stream_stall_timeout);
  m_pending.append(bytes);
  schedule_flush();
}

void Connection::stream_end() {
  if (m_state == State::closed || !m_streaming) return;
  m_stream_ended = true;
  m_on_gone = nullptr;
  m_on_drained = nullptr;
  schedule_flush();
}

// Posted, so that the events of one turn of the io loop leave in one write.
void Connection::schedule_flush() {
  if (m_flush_scheduled || m_stream_in_flight) return;
  m_flush_scheduled = true;
  asio::post(m_socket.get_executor(), [self = shared_from_this()] {
    self->m_flush_scheduled = false;
    if (self->m_state != State::closed) self->flush_stream();
  });
}

void Connection::flush_stream() {
  const bool chunked = m_minor_version != 0;
  m_chunk_prefix = std::move(m_head);
  m_head.clear();
  m_writing = std::move(m_pending);
  m_pending.clear();
  if (chunked && !m_writing.empty()) {
    m_chunk_prefix += fmt::format("{:x}\r\n", m_writing.size());
    m_writing += "\r\n";
  }
  if (chunked && m_stream_ended) m_writing += "0\r\n\r\n";
  if (m_chunk_prefix.empty() && m_writing.empty()) {
    if (m_stream_ended) finish_exchange();
    return;
  }
  // What is written with the end belongs to it: nothing can be added any more.
  const bool last = m_stream_ended;
  m_stream_in_flight = true;
  m_last_write = std::chrono::steady_clock::now();
  const std::array<asio::const_buffer, 2> parts = {asio::buffer(m_chunk_prefix), asio::buffer(m_writing)};
  asio::async_write(m_socket, parts,
                    [self = shared_from_this(), last](const boost::system::error_code& error, std::size_t) {
                      self->m_stream_in_flight = false;
                      if (self->m_state == State::closed) return;
                      if (error) return self->close();
                      self->m_writing.clear();
                      if (last) return self->finish_exchange();
                      self->on_stream_written();
                    });
}

void Connection::on_stream_written() {
  touch(m_host->config().limits.stream_stall_timeout);
  if (!m_pending.empty() || m_stream_ended) return flush_stream();
  if (m_on_drained) {
    const auto on_drained = m_on_drained; // a copy: it may end the stream, which drops the member
    on_drained();
  }
}

void Connection::finish_exchange() {
  const bool keep = keeps_alive();
  m_on_gone = nullptr;
  m_on_drained = nullptr;
  m_file.reset();
  m_pending.clear();
  m_answered = m_streaming = m_stream_ended = m_event_stream = false;
  if (m_close_after) {
    // Closing with unread bytes would reset the connection under the reply: let the caller read it first.
    m_state = State::linger;
    touch(k_linger);
    ::shutdown(m_socket.native_handle(), SHUT_WR);
    return progress();
  }
  if (!keep) return close();
  m_state = State::head;
  m_scanned = 0;
  touch(m_host->config().limits.keep_alive_timeout);
  progress();
}

} // namespace mrun
