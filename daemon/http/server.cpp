#include "daemon/http/server.h"

#include <cerrno>
#include <system_error>
#include <unordered_set>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/endpoints/endpoints.h"
#include "daemon/http/connection.h"

namespace mrun {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

constexpr int k_accepts_per_turn = 64;                   // then other connections have their turn
constexpr std::chrono::milliseconds k_accept_pause{100}; // when even the spare descriptor is gone

UniqueFd open_spare() {
  return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

Result<void> check_peer(int fd, uid_t owner) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return fail_errno(ErrorCode::peer_refused, errno, "the caller's user can't be read");
  if (peer.uid != owner)
    return fail(ErrorCode::peer_refused,
                fmt::format("user {} called the daemon of user {}", peer.uid, owner));
  return {};
}

// One attempt to say why, then the descriptor is closed by its owner.
void turn_away(int fd, const Error& error, const std::string& build_id) {
  const Reply reply = problem_reply(error);
  const std::string text =
      reply_head(reply, Framing::length, reply.body.size(), false, build_id) + reply.body;
  [[maybe_unused]] const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

} // namespace

struct HttpServer::Core : ConnectionHost, std::enable_shared_from_this<Core> {
  Core(asio::io_context& io, PredictionService& service, UniqueFd listening, HttpConfig http_config)
      : m_config(std::move(http_config)),
        m_router(m_config.routes.empty() ? all_routes() : m_config.routes),
        m_context{io, service},
        m_acceptor(io),
        m_sweep_timer(io),
        m_pause_timer(io),
        m_spare(open_spare()) {
    m_acceptor.assign(asio::local::stream_protocol(), listening.release());
    m_acceptor.native_non_blocking(true);
  }

  const HttpConfig& config() const override { return m_config; }
  const Router& router() const override { return m_router; }
  EndpointContext& context() override { return m_context; }
  bool stopping() const override { return m_stopping; }

  // Accepts by hand: asio's own accept leaves descriptors open across exec, where workers would inherit
  // callers.
  void accept() {
    m_acceptor.async_wait(asio::socket_base::wait_read,
                          [self = shared_from_this()](const boost::system::error_code& error) {
                            if (self->m_stopping || error == asio::error::operation_aborted) return;
                            if (error) return self->pause(error.value());
                            self->accept_waiting();
                          });
  }

  UniqueFd accept_one() {
    return UniqueFd(::accept4(m_acceptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  }

  void accept_waiting() {
    for (int i = 0; i < k_accepts_per_turn; ++i) {
      UniqueFd caller = accept_one();
      const int error = errno;
      if (caller) {
        admit(std::move(caller));
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
  bool turn_away_one(int error) {
    m_spare.reset();
    UniqueFd caller = accept_one();
    if (caller)
      turn_away(caller.get(),
                fail_errno(ErrorCode::resources, error, "the connection was not accepted").value(),
                m_config.build_id);
    const bool was_there = static_cast<bool>(caller);
    caller.reset();
    m_spare = open_spare();
    return was_there;
  }

  void pause(int error) {
    log_warn("connections can't be accepted: {}", std::generic_category().message(error));
    m_pause_timer.expires_after(k_accept_pause);
    m_pause_timer.async_wait([self = shared_from_this()](const boost::system::error_code& stopped) {
      if (!stopped && !self->m_stopping) self->accept();
    });
  }

  void admit(UniqueFd caller) {
    if (auto allowed = check_peer(caller.get(), m_config.owner_uid); !allowed)
      return turn_away(caller.get(), allowed.error(), m_config.build_id);
    Socket socket(m_context.io);
    boost::system::error_code error;
    if (m_connections.size() < m_config.limits.max_connections)
      socket.assign(asio::local::stream_protocol(), caller.get(), error);
    if (error || !socket.is_open()) {
      const std::size_t count = m_connections.size();
      return turn_away(
          caller.get(),
          fail(ErrorCode::resources, fmt::format("the daemon serves {} connections already", count)).value(),
          m_config.build_id);
    }
    caller.release(); // the socket's now
    const auto connection = std::make_shared<Connection>(shared_from_this(), std::move(socket));
    m_connections.insert(connection.get());
    if (m_connections.size() == 1) schedule_sweep();
    connection->start();
  }

  void schedule_sweep() {
    m_sweep_timer.expires_after(m_config.limits.sweep_period);
    m_sweep_timer.async_wait([self = shared_from_this()](const boost::system::error_code& stopped) {
      if (stopped) return;
      self->for_each(
          [now = std::chrono::steady_clock::now()](Connection& connection) { connection.sweep(now); });
      if (!self->m_connections.empty()) self->schedule_sweep();
    });
  }

  // `act` may close connections, which takes them off the set.
  template<class Act>
  void for_each(Act act) {
    std::vector<std::shared_ptr<Connection>> all;
    for (Connection* connection : m_connections)
      all.push_back(connection->shared_from_this());
    for (const auto& connection : all)
      act(*connection);
  }

  void closed(Connection& connection) override {
    m_connections.erase(&connection);
    if (m_connections.empty()) {
      m_sweep_timer.cancel();
      if (m_on_drained) m_pause_timer.cancel();
      announce_drained();
    }
  }

  void announce_drained() {
    if (m_on_drained && m_stopping && m_connections.empty())
      asio::post(m_context.io, std::exchange(m_on_drained, nullptr));
  }

  void close_after_grace() {
    m_pause_timer.expires_after(m_config.limits.drain_grace);
    m_pause_timer.async_wait([self = shared_from_this()](const boost::system::error_code& stopped) {
      if (!stopped) self->for_each([](Connection& connection) { connection.close(); });
    });
  }

  void stop() {
    m_stopping = true;
    boost::system::error_code ignored; // closed either way
    m_acceptor.close(ignored);
    m_pause_timer.cancel();
    for_each([](Connection& connection) { connection.close_if_idle(); });
  }

  HttpConfig m_config;
  Router m_router;
  EndpointContext m_context;
  asio::local::stream_protocol::acceptor m_acceptor;
  asio::steady_timer m_sweep_timer;
  asio::steady_timer m_pause_timer;
  UniqueFd m_spare; // closed for a moment to take and drop a caller when descriptors run out
  std::unordered_set<Connection*> m_connections; // each keeps itself alive until it calls closed()
  std::function<void()> m_on_drained;
  bool m_stopping = false;
};

HttpServer::HttpServer(asio::io_context& io, PredictionService& service, UniqueFd listening,
                       HttpConfig config)
    : m_core(std::make_shared<Core>(io, service, std::move(listening), std::move(config))) {}

HttpServer::~HttpServer() {
  m_core->m_on_drained = nullptr;
  m_core->stop();
  m_core->for_each([](Connection& connection) { connection.close(); });
}

void HttpServer::start() {
  m_core->accept();
}
void HttpServer::stop_accepting() {
  m_core->stop();
}

void HttpServer::drained(std::function<void()> callback) {
  m_core->m_on_drained = std::move(callback);
  m_core->close_after_grace();
  m_core->announce_drained();
}

std::size_t HttpServer::connections() const {
  return m_core->m_connections.size();
}

} // namespace mrun
