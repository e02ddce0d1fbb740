// HttpSession against servers that misbehave, on loopback.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "packager/registry/http.h"

using namespace mrun;

namespace {

// Answers each connection by a function, one thread each, until it is destroyed.
class Server {
 public:
  using Answer = std::function<void(int connection, const std::string& head)>;

  explicit Server(Answer answer) : m_answer(std::move(answer)) {
    m_listener = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(m_listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(m_listener.get(), 64) == 0);
    socklen_t length = sizeof address;
    REQUIRE(::getsockname(m_listener.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    m_port = ntohs(address.sin_port);
    m_accepting = std::thread([this] { accept_all(); });
  }
  ~Server() {
    m_ending = true;
    ::shutdown(m_listener.get(), SHUT_RDWR);
    m_accepting.join();
    for (std::thread& one : m_serving)
      one.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string url(const std::string& path = "/", const std::string& host = "127.0.0.1") const {
    return fmt::format("http://{}:{}{}", host, m_port, path);
  }
  int connections() const { return m_connections; }
  bool is_ending() const { return m_ending; }

 private:
  void accept_all() {
    while (true) {
      const int connection = ::accept4(m_listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      ++m_connections;
      m_serving.emplace_back([this, connection] {
        const UniqueFd owner(connection);
        std::string head;
        while (read_head(connection, head)) {
          m_answer(connection, head);
          head.clear();
        }
      });
    }
  }
  // False: the other side has gone, or the test ends.
  bool read_head(int connection, std::string& head) const {
    while (head.find("\r\n\r\n") == std::string::npos) {
      pollfd ready{connection, POLLIN, 0};
      if (m_ending) return false;
      if (::poll(&ready, 1, 20) == 0) continue;
      char buffer[4096];
      const ssize_t got = ::recv(connection, buffer, sizeof buffer, 0);
      if (got <= 0) return false;
      head.append(buffer, static_cast<std::size_t>(got));
    }
    return true;
  }

  Answer m_answer;
  UniqueFd m_listener;
  int m_port = 0;
  std::atomic<int> m_connections = 0;
  std::atomic<bool> m_ending = false;
  std::thread m_accepting;
  std::vector<std::thread> m_serving; // of the accepting thread, until that has ended
};

bool say(int connection, std::string_view text) {
  return ::send(connection, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

// Of the environment, as long as it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : m_name(name) { ::setenv(name, value.c_str(), 1); }
  ~Variable() { ::unsetenv(m_name); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* m_name;
};

HttpSession session() {
  return HttpSession({.user_agent = "test"});
}

HttpRequest ask(const Server& server) {
  HttpRequest request;
  request.url = server.url();
  request.nearest = AddressReach::special;
  request.stall_timeout = std::chrono::seconds(1);
  return request;
}

// A server that says `start`, then `more` every few milliseconds until the client goes.
Server::Answer endless(std::string start, std::string more, std::chrono::milliseconds pause) {
  return [=](int connection, const std::string&) {
    bool there = say(connection, start);
    pollfd gone{connection, POLLRDHUP, 0};
    while (there && ::poll(&gone, 1, static_cast<int>(pause.count())) == 0)
      there = say(connection, more);
  };
}

} // namespace

TEST_CASE("a server that says nothing, or next to nothing, is left") {
  using std::chrono::milliseconds;
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n";
  for (const auto& [name, answer] : std::vector<std::pair<const char*, Server::Answer>>{
           {"silence", endless("", "", milliseconds(50))},
           {"a head that never ends", endless(head, "X", milliseconds(50))},
           {"a body that stops", endless(head + "\r\n0123456789", "", milliseconds(50))},
           {"a body that drips", endless(head + "\r\n", "0123456789", milliseconds(50))}}) {
    const Server server(answer);
    HttpSession http = session();
    const HttpSink sink = [](const HttpReply&, std::string_view) { return Result<void>(); };
    const auto reply = http.perform(ask(server), sink);
    REQUIRE_MESSAGE(!reply.has_value(), name);
    CHECK_MESSAGE(reply.error().code == ErrorCode::registry_unreachable, name);
  }
}

TEST_CASE("heads and bodies have a limit, however they are sent") {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  std::string many = ok, large = ok + "X: " + std::string(70'000, 'a') + "\r\n";
  for (int i = 0; i < 300; ++i)
    many += "X: 1\r\n";
  const std::string end = "Content-Length: 0\r\n\r\n";
  for (const auto& [name, answer] : std::vector<std::pair<const char*, Server::Answer>>{
           {"many headers", endless(many + end, "", std::chrono::milliseconds(50))},
           {"a large header", endless(large + end, "", std::chrono::milliseconds(50))},
           {"endless 1xx",
            endless("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", std::chrono::milliseconds(0))},
           {"a long body",
            endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                    "1000\r\n" + std::string(4096, 'b') + "\r\n", std::chrono::milliseconds(0))}}) {
    const Server server(answer);
    HttpSession http = session();
    const auto reply = http.perform(ask(server));
    REQUIRE_MESSAGE(!reply.has_value(), name);
    CHECK_MESSAGE(reply.error().code == ErrorCode::registry_reply, name);
  }
  // Of an error page the beginning is enough.
  const Server server([&](int connection, const std::string&) {
    say(connection, "HTTP/1.1 500 No\r\nContent-Length: 1000000\r\n\r\n" + std::string(1'000'000, 'e'));
  });
  HttpSession http = session();
  const auto reply = http.perform(ask(server));
  REQUIRE(reply.has_value());
  CHECK(reply->status == 500);
  CHECK(reply->body.size() <= 64 * 1024);
}

TEST_CASE("an address is looked at after its name is resolved, before the connection") {
  const Server server([](int connection, const std::string&) {
    say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  HttpSession http = session();
  HttpRequest request = ask(server);
  CHECK(http.perform(request).value().reach == AddressReach::loopback);
  CHECK(server.connections() == 1);
  for (const char* host : {"127.0.0.1", "localhost", "0x7f.1", "2130706433"})
    for (const AddressReach nearest : {AddressReach::open, AddressReach::private_network}) {
      request.url = server.url("/", host);
      request.nearest = nearest;
      const auto reply = http.perform(request); // nor over the connection that is there already
      REQUIRE_MESSAGE(!reply.has_value(), host);
      CHECK_MESSAGE(reply.error().code == ErrorCode::registry_url, host);
    }
  CHECK(server.connections() == 1);
  request.url = server.url();
  request.nearest = AddressReach::loopback; // what a server on this machine may name
  CHECK(http.perform(request).value().body == "ok");
}

TEST_CASE("a server behind a proxy may name nothing that lies near") {
  const Server proxy([](int connection, const std::string&) {
    say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  const Variable through("http_proxy", proxy.url());
  const Variable but("no_proxy", "127.0.0.2");
  HttpSession http = session();
  HttpRequest request = ask(proxy);
  request.url = "http://registry.example/";
  const auto reply = http.perform(request);
  REQUIRE(reply.has_value());
  CHECK(reply->reach == AddressReach::open);
  request.nearest = reply->reach;
  CHECK(http.perform(request).value().body == "ok"); // the proxy resolves names, so nothing is checked here
  for (const char* host : {"127.0.0.1", "127.0.0.2"}) {
    request.url = proxy.url("/", host);
    const auto direct = http.perform(request);
    REQUIRE_MESSAGE(!direct.has_value(), host);
    CHECK_MESSAGE(direct.error().code == ErrorCode::registry_url, host);
  }
}

TEST_CASE("many requests at once are answered in their order, and one that breaks is alone") {
  const Server server([](int connection, const std::string& head) {
    const std::string path = head.substr(5, head.find(' ', 5) - 5);
    if (path == "70") {
      ::shutdown(connection, SHUT_RDWR);
      return;
    }
    say(connection, fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", path.size(), path));
  });
  std::vector<HttpRequest> requests;
  for (int i = 0; i < 150; ++i) {
    HttpRequest& request = requests.emplace_back(ask(server));
    request.url = server.url(fmt::format("/{}", i));
  }
  HttpSession http = session();
  const auto replies = http.perform_all(requests);
  REQUIRE(replies.size() == 150);
  for (std::size_t i = 0; i < 150; ++i) {
    REQUIRE(replies[i].has_value() == (i != 70));
    if (i != 70) CHECK(replies[i]->body == std::to_string(i));
  }
  CHECK(server.connections() <= 20); // a few, kept
  CHECK(http.perform_all({}).empty());
}
