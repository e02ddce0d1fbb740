// The daemon's end of a control socket: frames in and out on the io thread, without blocking.
//
// Incoming frames are handed on as they come; what can't be sent at once waits in a queue with a bound. Held
// by a shared_ptr because handlers that are queued in the io context outlive their owner for a moment.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "common/error.h"
#include "common/fd.h"
#include "runtime/frames.h"

namespace mrun {

class FrameChannel : public std::enable_shared_from_this<FrameChannel> {
 public:
  using OnFrame = std::function<void(Frame&)>;
  // Once: the peer closed (worker_crashed) or broke the format (worker_protocol). Nothing is read after it.
  using OnClosed = std::function<void(const Error&)>;

  static Result<std::shared_ptr<FrameChannel>> open(boost::asio::io_context& io, UniqueFd socket);

  void start(OnFrame on_frame, OnClosed on_closed);
  // Sends now or queues (when the socket is full). Errors: resources (the peer does not read: the queue is
  // full, too; or memory or descriptors are used up), and send_frame's, except that a closed peer is no error
  // here: on_closed tells. After an error nothing has been sent.
  Result<void> send(Json header, std::string payload = {}, std::vector<UniqueFd> fds = {});
  // Hands on everything that has arrived, without waiting. When that takes no end (a process that inherited
  // the other end floods it) the channel closes.
  void drain();
  // No callback comes after this.
  void close();

 private:
  struct Outgoing {
    Json header;
    std::string payload;
    std::vector<UniqueFd> fds;
  };

  explicit FrameChannel(boost::asio::io_context& io) : m_socket(io) {}
  void wait_readable();
  void wait_writable();
  bool receive_some(int limit); // false: there may be more
  // False: the socket is full, try again when it is writable.
  static Result<bool> transmit(int socket, const Outgoing& frame);
  void end(const Error& error);

  boost::asio::posix::stream_descriptor m_socket;
  OnFrame m_on_frame;
  OnClosed m_on_closed;
  std::deque<Outgoing> m_queue;
  bool m_is_open = true;
  bool m_waits_writable = false;
};

} // namespace mrun
