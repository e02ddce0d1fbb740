// The HTTP client against a server that says exactly what a test wants, well-formed or not.
#include "cli/client/connection.h"

#include <cstdlib>
#include <filesystem>
#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/client/daemon_client.h"
#include "common/limits.h"
#include "common/text.h"

namespace mrun::cli {
namespace fs = std::filesystem;
namespace {

// Accepts one caller, reads a request head, answers `reply` in two pieces and closes.
class OneReplyServer {
 public:
  explicit OneReplyServer(std::string reply, bool reads = true) : m_reply(std::move(reply)), m_reads(reads) {
    std::string pattern = (fs::temp_directory_path() / "mrun-cli-XXXXXX").string();
    m_folder = ::mkdtemp(pattern.data());
    m_listener.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket().string().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(m_listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(m_listener.get(), 8) == 0);
    m_thread = std::thread([this] { serve(); });
  }
  ~OneReplyServer() {
    ::shutdown(m_listener.get(), SHUT_RDWR);
    m_thread.join();
    fs::remove_all(m_folder);
  }
  fs::path socket() const { return m_folder / "s"; }
  const std::string& seen() {
    ::shutdown(m_listener.get(), SHUT_RDWR);
    return m_seen;
  }

 private:
  void serve() {
    UniqueFd peer(::accept4(m_listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer) return;
    char buffer[4096];
    while (m_reads && m_seen.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = ::recv(peer.get(), buffer, sizeof buffer, 0);
      if (got <= 0) return;
      m_seen.append(buffer, static_cast<std::size_t>(got));
    }
    for (const std::string_view part : {std::string_view(m_reply).substr(0, m_reply.size() / 2),
                                        std::string_view(m_reply).substr(m_reply.size() / 2)})
      if (::send(peer.get(), part.data(), part.size(), MSG_NOSIGNAL) < 0) return;
  }

  std::string m_reply;
  bool m_reads;
  fs::path m_folder;
  UniqueFd m_listener;
  std::string m_seen;
  std::thread m_thread;
};

struct Reply {
  HttpHead head;
  std::string body;
};

Result<Reply> ask(const std::string& reply, std::size_t limit = k_mib) {
  OneReplyServer server(reply);
  auto connection = Connection::open(server.socket());
  REQUIRE(connection);
  REQUIRE(connection->has_value());
  Reply got;
  MRUN_ASSIGN(got.head, (*connection)->send({.target = "/x"}));
  MRUN_ASSIGN(got.body, (*connection)->read_body(limit));
  return got;
}

void broken(const std::string& reply, std::size_t limit = k_mib) {
  const auto result = ask(reply, limit);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::daemon_unreachable);
}

} // namespace

TEST_CASE("replies by length, in chunks and to the end of the stream") {
  const auto plain = ask("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nMrun-Build: b1\r\n\r\nhi");
  REQUIRE(plain);
  CHECK(plain->head.status == 200);
  CHECK(plain->head.header("mrun-build") == "b1");
  CHECK(plain->body == "hi");
  CHECK(ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\n yo\r\n0\r\n\r\n")->body ==
        "hi yo");
  CHECK(ask("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end")->body == "to the end");
}

TEST_CASE("what is no whole HTTP reply is an error, and so is too much of one") {
  broken("");
  broken("SSH-2.0-OpenSSH\r\n\r\n");
  broken("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi");
  broken("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhi");
  broken("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n");
  broken("HTTP/1.1 200 OK\r\nX: " + std::string(2 * k_max_head_bytes, 'a') + "\r\n\r\n");
  broken("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + std::string(200000, 'a'), 1000);
}

TEST_CASE("nobody there is no error, a path that is no socket address is") {
  const auto absent = Connection::open("/nonexistent/mrun.sock");
  REQUIRE(absent);
  CHECK_FALSE(absent->has_value());
  CHECK(Connection::open("/" + std::string(200, 'x')).error().code == ErrorCode::home_refused);
}

TEST_CASE("a deadline ends a wait") {
  OneReplyServer server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  auto connection = Connection::open(server.socket());
  REQUIRE((*connection)->send({.target = "/"}));
  std::string bytes;
  const auto past = std::chrono::steady_clock::now();
  const auto result = (*connection)->read(bytes, past, -1);
  // The server may have closed already; then the reply is broken.
  CHECK((!result || *result == ReadResult::timed_out));
}

TEST_CASE("a signal ends a wait at once, and a daemon that reads nothing ends a send") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const UniqueFd interrupt(ends[0]), signal(ends[1]);
  OneReplyServer silent("");
  auto connection = Connection::open(silent.socket());
  const HttpRequest large{.method = "POST", .target = "/", .body = std::string(64 * k_mib, 'x')};
  const auto late =
      (*connection)->send(large, {std::chrono::steady_clock::now() + std::chrono::milliseconds(50)});
  CHECK(late.error().code == ErrorCode::daemon_unreachable);
  CHECK_FALSE((*connection)->may_have_arrived());
  REQUIRE(::write(signal.get(), "x", 1) == 1);
  OneReplyServer other("");
  auto fresh = Connection::open(other.socket());
  const auto interrupted = (*fresh)->send(large, {.interrupt_fd = interrupt.get()});
  CHECK(interrupted.error().code == ErrorCode::interrupted_by_user);
}

TEST_CASE("it is known whether a request that got no answer may have arrived") {
  {
    OneReplyServer server(""); // reads all of it and closes
    auto connection = Connection::open(server.socket());
    CHECK_FALSE((*connection)->send({.method = "POST", .target = "/"}));
    CHECK((*connection)->may_have_arrived());
  }
  OneReplyServer server("", false); // closes it unread
  auto connection = Connection::open(server.socket());
  CHECK_FALSE((*connection)->send({.method = "POST", .target = "/"}));
  CHECK_FALSE((*connection)->may_have_arrived());
}

TEST_CASE("problem objects become their errors") {
  const Error error = error_of_reply(
      404,
      R"({"title":"x","detail":"no such thing","status":404,"code":"M1202","class":"model_not_found","hint":"h","retryable":false})");
  CHECK(error.code == ErrorCode::model_not_found);
  CHECK(error.message == "no such thing");
  CHECK(error_of_reply(500, "<html>").code == ErrorCode::daemon_unreachable);
}

TEST_CASE("URL parts are encoded") {
  CHECK(percent_encode("a/b?c d\xC3\xA9") == "a%2Fb%3Fc%20d%C3%A9");
}

} // namespace mrun::cli
