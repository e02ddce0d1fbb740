#include "daemon/runner/frame_channel.h"

#include <fmt/format.h>
#include <poll.h>

namespace mrun {
namespace {

constexpr std::size_t k_max_queued_frames = 512;
constexpr int k_frames_per_turn = 64; // then others on the io thread have a turn
constexpr int k_max_drained_frames =
    1024; // more than a socket's buffer holds: somebody else still writes into it

constexpr int k_send_tries = 3;

bool is_writable(int socket) {
  pollfd state{socket, POLLOUT, 0};
  return ::poll(&state, 1, 0) > 0;
}

} // namespace

Result<std::shared_ptr<FrameChannel>> FrameChannel::open(boost::asio::io_context& io, UniqueFd socket) {
  MRUN_TRY(set_nonblocking(socket.get()));
  std::shared_ptr<FrameChannel> channel(new FrameChannel(io));
  boost::system::error_code failed;
  channel->m_socket.assign(socket.get(), failed);
  if (failed) return fail(ErrorCode::resources, "can't watch a control socket: " + failed.message());
  socket.release();
  return channel;
}

void FrameChannel::start(OnFrame on_frame, OnClosed on_closed) {
  m_on_frame = std::move(on_frame);
  m_on_closed = std::move(on_closed);
  wait_readable();
}

void FrameChannel::wait_readable() {
  m_socket.async_wait(boost::asio::posix::descriptor_base::wait_read,
                      [self = weak_from_this()](const boost::system::error_code& failed) {
                        const auto channel = self.lock();
                        if (failed || !channel || !channel->m_is_open) return;
                        channel->receive_some(k_frames_per_turn);
                        if (channel->m_is_open) channel->wait_readable();
                      });
}

void FrameChannel::drain() {
  if (!receive_some(k_max_drained_frames)) close();
}

bool FrameChannel::receive_some(int limit) {
  for (int i = 0; i < limit && m_is_open; ++i) {
    auto frame = receive_frame(m_socket.native_handle());
    if (!frame) {
      end(frame.error());
      return true;
    }
    if (!*frame) return true;
    m_on_frame(**frame);
  }
  return !m_is_open;
}

// `resources` is a full socket only if the socket says so: waiting for one that is writable already, because
// it was memory or descriptors that lacked, would keep the io thread busy.
Result<bool> FrameChannel::transmit(int socket, const Outgoing& frame) {
  std::vector<int> fds;
  fds.reserve(frame.fds.size());
  for (const UniqueFd& fd : frame.fds)
    fds.push_back(fd.get());
  for (int tries = 1;; ++tries) {
    auto sent = send_frame(socket, frame.header, frame.payload, fds);
    if (sent) return true;
    if (sent.error().code != ErrorCode::resources) return tl::unexpected(std::move(sent.error()));
    if (!is_writable(socket)) return false;
    if (tries == k_send_tries) return tl::unexpected(std::move(sent.error())); // it was not read just now
  }
}

Result<void> FrameChannel::send(Json header, std::string payload, std::vector<UniqueFd> fds) {
  if (!m_is_open) return {};
  Outgoing frame{std::move(header), std::move(payload), std::move(fds)};
  if (m_queue.empty()) {
    const auto sent = transmit(m_socket.native_handle(), frame);
    if (!sent && sent.error().code == ErrorCode::worker_crashed) return {};
    if (!sent) return tl::unexpected(sent.error());
    if (*sent) return {};
  }
  if (m_queue.size() >= k_max_queued_frames)
    return fail(ErrorCode::resources,
                fmt::format("{} frames wait for a worker that does not read", m_queue.size()));
  m_queue.push_back(std::move(frame));
  wait_writable();
  return {};
}

void FrameChannel::wait_writable() {
  if (std::exchange(m_waits_writable, true)) return;
  m_socket.async_wait(boost::asio::posix::descriptor_base::wait_write,
                      [self = weak_from_this()](const boost::system::error_code& failed) {
                        const auto channel = self.lock();
                        if (failed || !channel || !channel->m_is_open) return;
                        channel->m_waits_writable = false;
                        while (!channel->m_queue.empty()) {
                          const auto sent =
                              transmit(channel->m_socket.native_handle(), channel->m_queue.front());
                          if (sent && !*sent) return channel->wait_writable();
                          if (!sent && sent.error().code != ErrorCode::worker_crashed)
                            return channel->end(sent.error());
                          channel->m_queue.pop_front();
                        }
                      });
}

void FrameChannel::end(const Error& error) {
  if (!std::exchange(m_is_open, false)) return;
  m_queue.clear();
  boost::system::error_code ignored;
  m_socket.close(ignored);
  m_on_closed(error);
}

void FrameChannel::close() {
  if (!std::exchange(m_is_open, false)) return;
  m_queue.clear();
  boost::system::error_code ignored;
  m_socket.close(ignored);
}

} // namespace mrun
