// One listening socket: takes the callers that come and hands them on. Used on the io thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/error.h"
#include "common/fd.h"

namespace mrun {

class Door : public std::enable_shared_from_this<Door> {
 public:
  // A caller's socket, non-blocking and closed on exec.
  using Admit = std::function<void(UniqueFd caller)>;

  // `listening`: bound, listening, non-blocking. `io` outlives the door; `admit` is called until stop().
  Door(boost::asio::io_context& io, UniqueFd listening, std::string build_id, Admit admit);

  void start();
  void stop(); // closes the socket

 private:
  void accept();
  void accept_waiting();
  UniqueFd accept_one();
  bool turn_away_one(int error);
  void pause(int error);

  boost::asio::posix::stream_descriptor m_listening;
  boost::asio::steady_timer m_pause_timer;
  UniqueFd m_spare; // closed for a moment to take and drop a caller when descriptors run out
  std::string m_build_id;
  Admit m_admit;
  bool m_stopped = false;
};

// One attempt to say why; the descriptor is closed by its owner.
void turn_away(int fd, const Error& error, const std::string& build_id);

} // namespace mrun
