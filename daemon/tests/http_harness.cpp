#include "daemon/tests/http_harness.h"

#include <cstdlib>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/text.h"

namespace mrun {
namespace {

constexpr std::chrono::seconds k_patience{20};

UniqueFd listen_on(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(fd.get(), 256) == 0);
  return fd;
}

// Takes chunks off `bytes` (from the body's start); false while the last one is missing.
bool join_chunks(std::string_view bytes, std::string& body, std::size_t& used) {
  std::size_t position = 0;
  while (true) {
    const std::size_t line = bytes.find("\r\n", position);
    if (line == std::string_view::npos) return false;
    const std::size_t size =
        std::strtoul(std::string(bytes.substr(position, line - position)).c_str(), nullptr, 16);
    position = line + 2;
    if (bytes.size() < position + size + 2) return false;
    body.append(bytes.substr(position, size));
    position += size + 2;
    if (size == 0) {
      used = position;
      return true;
    }
  }
}

} // namespace

Result<UniqueFd> FakeService::sealed_memfd_writable() {
  UniqueFd fd(::memfd_create("upload", MFD_CLOEXEC));
  if (!fd) return fail_errno(ErrorCode::io, errno, "memfd");
  return fd;
}

std::string Answer::header(std::string_view name) const {
  for (std::string_view line : split(head, '\n'))
    if (const std::size_t colon = line.find(':');
        colon != std::string_view::npos && lower_ascii(line.substr(0, colon)) == lower_ascii(name))
      return std::string(trim(line.substr(colon + 1)));
  return {};
}

Json Answer::json() const {
  auto parsed = parse_json(body, ErrorCode::body_invalid, "the reply");
  REQUIRE(parsed.has_value());
  return *parsed;
}

HttpHarness::HttpHarness(HttpLimits limits, uid_t owner) {
  const char* base = std::getenv("TMPDIR");
  m_folder = std::string(base != nullptr ? base : "/tmp") + "/mrun-http-XXXXXX";
  REQUIRE(::mkdtemp(m_folder.data()) != nullptr);
  m_path = m_folder + "/s";
  HttpConfig config;
  config.build_id = "test-build";
  config.owner_uid = owner;
  config.limits = limits;
  server = std::make_unique<HttpServer>(io, service, listen_on(m_path), std::move(config));
  server->start();
  service.later = [this](std::function<void()> action) { boost::asio::post(io, std::move(action)); };
}

HttpHarness::~HttpHarness() {
  server.reset();
  io.poll();
  ::unlink(m_path.c_str());
  ::rmdir(m_folder.c_str());
}

bool HttpHarness::run_until(const std::function<bool()>& done) {
  const auto limit = std::chrono::steady_clock::now() + k_patience;
  io.restart();
  while (!done()) {
    if (std::chrono::steady_clock::now() >= limit) return false;
    if (io.run_one_until(limit) == 0) io.restart();
  }
  return true;
}

HttpHarness::Client::Client(HttpHarness& harness) : m_harness(harness), m_socket(harness.io) {
  m_socket.connect(boost::asio::local::stream_protocol::endpoint(harness.m_path));
}

void HttpHarness::Client::send(std::string_view bytes) {
  bool done = false;
  boost::asio::async_write(m_socket, boost::asio::buffer(bytes.data(), bytes.size()),
                           [&done](const boost::system::error_code&, std::size_t) { done = true; });
  REQUIRE(m_harness.run_until([&done] { return done; }));
}

bool HttpHarness::Client::more() {
  if (m_at_end) return false;
  std::array<char, 65536> buffer;
  bool done = false;
  std::size_t size = 0;
  m_socket.async_read_some(boost::asio::buffer(buffer),
                           [&](const boost::system::error_code& error, std::size_t read) {
                             done = true;
                             size = read;
                             m_at_end = static_cast<bool>(error);
                           });
  REQUIRE(m_harness.run_until([&done] { return done; }));
  m_received.append(buffer.data(), size);
  return !m_at_end;
}

Answer HttpHarness::Client::read() {
  Answer answer;
  while (m_received.find("\r\n\r\n") == std::string::npos)
    if (!more()) return answer;
  const std::size_t head_bytes = m_received.find("\r\n\r\n") + 4;
  answer.head = m_received.substr(0, head_bytes);
  answer.status = std::atoi(answer.head.c_str() + 9);
  m_received.erase(0, head_bytes);
  if (answer.header("transfer-encoding") == "chunked") {
    std::size_t used = 0;
    while (answer.body.clear(), !join_chunks(m_received, answer.body, used))
      if (!more()) return answer;
    m_received.erase(0, used);
  } else {
    const std::size_t length = std::strtoul(answer.header("content-length").c_str(), nullptr, 10);
    while (m_received.size() < length)
      if (!more()) return answer;
    answer.body = m_received.substr(0, length);
    m_received.erase(0, length);
  }
  answer.complete = true;
  return answer;
}

bool HttpHarness::Client::read_until(std::string_view text) {
  while (m_received.find(text) == std::string::npos)
    if (!more()) return m_received.find(text) != std::string::npos;
  return true;
}

std::string HttpHarness::Client::read_to_end() {
  while (more()) {
  }
  return m_received;
}

bool HttpHarness::Client::closed() {
  read_to_end();
  return m_at_end;
}

std::string HttpHarness::post(std::string_view path, std::string_view body, std::string_view headers) {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
      "{}\r\n{}",
      path, body.size(), headers, body);
}

std::string HttpHarness::get(std::string_view path, std::string_view headers) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, headers);
}

} // namespace mrun
