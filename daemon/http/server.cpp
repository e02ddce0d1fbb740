#include "daemon/http/server.h"

#include <cerrno>
#include <unordered_set>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/tcp_address.h"
#include "daemon/endpoints/endpoints.h"
#include "daemon/http/connection.h"
#include "daemon/http/door.h"

namespace mrun {
namespace {

namespace asio = boost::asio;
using Socket = Connection::Socket;

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

// "127.0.0.1:8000" or "[::1]:8000": where the caller's connection ends here. "" for another family.
std::string local_host(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return host_text(address);
}

} // namespace

struct HttpServer::Core : ConnectionHost, std::enable_shared_from_this<Core> {
  Core(asio::io_context& io, PredictionService& service, UniqueFd listening, HttpConfig http_config)
      : m_config(std::move(http_config)),
        m_router(m_config.routes.empty() ? all_routes() : m_config.routes),
        m_context{io, service},
        m_sweep_timer(io),
        m_grace_timer(io) {
    const auto rules = std::make_shared<const DoorRules>();
    open(std::move(listening), [this, rules](UniqueFd caller) { admit_user(std::move(caller), rules); });
  }

  // The door calls back until stop(), which comes before the end of this.
  void open(UniqueFd listening, Door::Admit admit) {
    m_doors.push_back(
        std::make_shared<Door>(m_context.io, std::move(listening), m_config.build_id, std::move(admit)));
  }

  void open_tcp(TcpDoor door) {
    const auto rules = std::make_shared<const DoorRules>(DoorRules{true, std::move(door.hosts)});
    open(std::move(door.listening), [this, rules, is_any = door.is_any](UniqueFd caller) {
      admit_stranger(std::move(caller), rules, is_any);
    });
  }

  const HttpConfig& config() const override { return m_config; }
  const Router& router() const override { return m_router; }
  EndpointContext& context() override { return m_context; }
  bool stopping() const override { return m_stopping; }

  void refuse(const UniqueFd& caller, const Error& error) const {
    turn_away(caller.get(), error, m_config.build_id);
  }

  void admit_user(UniqueFd caller, const std::shared_ptr<const DoorRules>& rules) {
    if (auto allowed = check_peer(caller.get(), m_config.owner_uid); !allowed)
      return refuse(caller, allowed.error());
    admit(std::move(caller), AF_UNIX, rules, m_connections.size() - m_tcp_connections,
          m_config.limits.max_connections);
  }

  void admit_stranger(UniqueFd caller, std::shared_ptr<const DoorRules> rules, bool is_any) {
    // An event is small and shall leave at once.
    const int on = 1;
    [[maybe_unused]] const int set =
        ::setsockopt(caller.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // slower without, no more
    if (is_any) {
      DoorRules own = *rules;
      own.hosts.push_back(local_host(caller.get()));
      rules = std::make_shared<const DoorRules>(std::move(own));
    }
    admit(std::move(caller), AF_INET, rules, m_tcp_connections, m_config.limits.max_tcp_connections);
  }

  void admit(UniqueFd caller, int family, const std::shared_ptr<const DoorRules>& rules, std::size_t count,
             std::size_t max_count) {
    Socket socket(m_context.io);
    boost::system::error_code error;
    if (count < max_count) socket.assign(asio::generic::stream_protocol(family, 0), caller.get(), error);
    if (error || !socket.is_open())
      return refuse(
          caller, fail(ErrorCode::resources, fmt::format("the daemon serves {} connections {} already", count,
                                                         rules->is_tcp ? "over TCP" : "on its socket"))
                      .value());
    caller.release(); // the socket's now
    const auto connection = std::make_shared<Connection>(shared_from_this(), rules, std::move(socket));
    m_connections.insert(connection.get());
    m_tcp_connections += rules->is_tcp ? 1 : 0;
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
    m_tcp_connections -= m_connections.erase(&connection) == 1 && connection.is_tcp() ? 1 : 0;
    if (m_connections.empty()) {
      m_sweep_timer.cancel();
      if (m_on_drained) m_grace_timer.cancel();
      announce_drained();
    }
  }

  void announce_drained() {
    if (m_on_drained && m_stopping && m_connections.empty())
      asio::post(m_context.io, std::exchange(m_on_drained, nullptr));
  }

  void close_after_grace() {
    m_grace_timer.expires_after(m_config.limits.drain_grace);
    m_grace_timer.async_wait([self = shared_from_this()](const boost::system::error_code& stopped) {
      if (!stopped) self->for_each([](Connection& connection) { connection.close(); });
    });
  }

  void stop() {
    m_stopping = true;
    for (const auto& door : m_doors)
      door->stop();
    m_grace_timer.cancel();
    for_each([](Connection& connection) { connection.close_if_idle(); });
  }

  HttpConfig m_config;
  Router m_router;
  EndpointContext m_context;
  std::vector<std::shared_ptr<Door>> m_doors; // shared with their pending operations
  asio::steady_timer m_sweep_timer;
  asio::steady_timer m_grace_timer;
  std::unordered_set<Connection*> m_connections; // each keeps itself alive until it calls closed()
  std::size_t m_tcp_connections = 0;             // of them
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

void HttpServer::add(TcpDoor door) {
  m_core->open_tcp(std::move(door));
}
void HttpServer::start() {
  for (const auto& door : m_core->m_doors)
    door->start();
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
