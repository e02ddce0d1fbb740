#include "daemon/http/door.h"

#include <cerrno>
#include <chrono>
#include <system_error>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/http/reply.h"

namespace mrun {
namespace {

namespace asio = boost::asio;

constexpr int k_accepts_per_turn = 64;                   // then other connections have their turn
constexpr std::chrono::milliseconds k_accept_pause{100}; // when even the spare descriptor is gone

UniqueFd open_spare() {
  return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

} // namespace

void turn_away(int fd, const Error& error, const std::string& build_id) {
  const Reply reply = problem_reply(error);
  const std::string text =
      reply_head(reply, Framing::length, reply.body.size(), false, build_id) + reply.body;
  [[maybe_unused]] const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

Door::Door(asio::io_context& io, UniqueFd listening, std::string build_id, Admit admit)
    : m_listening(io, listening.release()),
      m_pause_timer(io),
      m_spare(open_spare()),
      m_build_id(std::move(build_id)),
      m_admit(std::move(admit)) {}

void Door::start() {
  accept();
}

void Door::stop() {
  m_stopped = true;
  boost::system::error_code ignored; // closed either way
  m_listening.close(ignored);
  m_pause_timer.cancel();
}

// Accepts by hand: asio's own accept leaves descriptors open across exec, where workers would inherit
// callers.
void Door::accept() {
  m_listening.async_wait(asio::posix::stream_descriptor::wait_read,
                         [self = shared_from_this()](const boost::system::error_code& error) {
                           if (self->m_stopped || error == asio::error::operation_aborted) return;
                           if (error) return self->pause(error.value());
                           self->accept_waiting();
                         });
}

UniqueFd Door::accept_one() {
  return UniqueFd(::accept4(m_listening.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

void Door::accept_waiting() {
  for (int i = 0; i < k_accepts_per_turn; ++i) {
    UniqueFd caller = accept_one();
    const int error = errno;
    if (caller) {
      m_admit(std::move(caller));
      continue;
    }
    if (error == EAGAIN) break;
    if (error == ECONNABORTED || error == EINTR) continue;
    const bool shortage = error == EMFILE || error == ENFILE;
    if (shortage && turn_away_one(error)) continue;
    if (!shortage || !m_spare) return pause(error);
    break; // the kernel reports a shortage before it looks: nobody was there
  }
  accept();
}

// Out of descriptors, a caller stays in the backlog and the socket stays readable: without an answer the
// loop would spin. The spare descriptor takes the call, says why, and hangs up. True when there was a
// caller.
bool Door::turn_away_one(int error) {
  m_spare.reset();
  UniqueFd caller = accept_one();
  if (caller)
    turn_away(caller.get(),
              fail_errno(ErrorCode::resources, error, "the connection was not accepted").value(), m_build_id);
  const bool was_there = static_cast<bool>(caller);
  caller.reset();
  m_spare = open_spare();
  return was_there;
}

void Door::pause(int error) {
  log_warn("connections can't be accepted: {}", std::generic_category().message(error));
  m_pause_timer.expires_after(k_accept_pause);
  m_pause_timer.async_wait([self = shared_from_this()](const boost::system::error_code& stopped) {
    if (!stopped && !self->m_stopped) self->accept();
  });
}

} // namespace mrun
