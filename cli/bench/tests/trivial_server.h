// An HTTP server on a Unix socket that answers as fast as one thread can, or as slowly as it is told: what
// the load generator is tested against, since it has no speed of its own to hide behind.
#pragma once

#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/unix_socket.h"

namespace mrun::bench {

inline std::string http_reply(int status, std::string_view body, std::string_view type = "application/json") {
  return fmt::format("HTTP/1.1 {} X\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}", status, type,
                     body.size(), body);
}

inline constexpr std::string_view k_succeeded_body =
    R"({"id":"x","status":"succeeded","metrics":{"phases_ns":{"queue":1000,"predict":2000,"other":500},)"
    R"("cold_start":false,"worker_pid":7,"peak_memory_bytes":1000,"cost":null,"device":"cpu"}})";

// `answer`: the raw bytes for request number n, from 0; "" closes the connection. It may wait: then all wait.
class TrivialServer {
 public:
  using Answer = std::function<std::string(std::size_t number)>;

  explicit TrivialServer(Answer answer) : m_answer(std::move(answer)) {
    char folder[] = "/tmp/mrun-bench-test-XXXXXX";
    MRUN_CHECK(::mkdtemp(folder) != nullptr);
    m_folder = folder;
    m_listener.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = *socket_address(socket());
    MRUN_CHECK(::bind(m_listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    MRUN_CHECK(::listen(m_listener.get(), 128) == 0);
    int ends[2];
    MRUN_CHECK(::pipe(ends) == 0);
    m_stop_read.reset(ends[0]);
    m_stop_write.reset(ends[1]);
    m_thread = std::thread([this] { serve(); });
  }
  TrivialServer(const TrivialServer&) = delete;
  TrivialServer& operator=(const TrivialServer&) = delete;
  ~TrivialServer() {
    m_stop_write.reset();
    m_thread.join();
    std::filesystem::remove_all(m_folder);
  }
  std::filesystem::path socket() const { return m_folder / "s"; }
  std::size_t requests() const { return m_requests; }
  std::size_t connections() const { return m_connections; }

 private:
  void serve() {
    const UniqueFd epoll(::epoll_create1(0));
    const auto watch = [&](int fd) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = fd;
      MRUN_CHECK(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0);
    };
    watch(m_listener.get());
    watch(m_stop_read.get());
    std::map<int, UniqueFd> open;
    std::map<int, std::string> unread;
    std::string buffer(65536, '\0');
    while (true) {
      epoll_event events[64];
      const int ready = ::epoll_wait(epoll.get(), events, 64, -1);
      for (int i = 0; i < ready; ++i) {
        const int fd = events[i].data.fd;
        if (fd == m_stop_read.get()) return;
        if (fd == m_listener.get()) {
          UniqueFd fresh(::accept(fd, nullptr, nullptr));
          ++m_connections;
          watch(fresh.get());
          open[fresh.get()] = std::move(fresh);
          continue;
        }
        const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (got > 0) unread[fd].append(buffer.data(), static_cast<std::size_t>(got));
        if (got <= 0 || !answer(fd, unread[fd])) {
          unread.erase(fd);
          open.erase(fd);
        }
      }
    }
  }
  // The requests have a Content-Length. False: close.
  bool answer(int fd, std::string& text) {
    while (true) {
      const std::size_t head = text.find("\r\n\r\n");
      const std::size_t length = text.find("Content-Length: ");
      if (head == std::string::npos || length > head) return true;
      const std::size_t whole = head + 4 + std::stoul(text.substr(length + 16));
      if (text.size() < whole) return true;
      text.erase(0, whole);
      const std::string reply = m_answer(m_requests++);
      if (reply.empty()) return false;
      std::string_view rest = reply;
      while (!rest.empty()) {
        const ssize_t sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent < 0) return false;
        rest.remove_prefix(static_cast<std::size_t>(sent));
      }
    }
  }

  Answer m_answer;
  std::filesystem::path m_folder;
  UniqueFd m_listener, m_stop_read, m_stop_write;
  std::atomic<std::size_t> m_requests = 0;
  std::atomic<std::size_t> m_connections = 0;
  std::thread m_thread;
};

} // namespace mrun::bench
