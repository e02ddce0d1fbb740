// A server on a private socket and clients in the same io loop: nothing sleeps, every wait is for an event.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "daemon/http/server.h"
#include "daemon/tests/http_fake_service.h"

namespace mrun {

// A parsed reply.
struct Answer {
  int status = 0;
  std::string head; // status line and headers, with CRLFs
  std::string body; // chunks joined
  bool complete = false;

  std::string header(std::string_view name) const; // "" when absent
  Json json() const;
};

class HttpHarness {
 public:
  explicit HttpHarness(HttpLimits limits = {}, uid_t owner = ::getuid());
  ~HttpHarness();

  // Runs the loop until `done`, at most 20 s; false when the time ran out.
  bool run_until(const std::function<bool()>& done);

  class Client {
   public:
    explicit Client(HttpHarness& harness);
    void send(std::string_view bytes); // runs the loop until written; a closed peer is no error
    // One whole reply; an incomplete one when the peer closes first.
    Answer read();
    // Until `text` was read (it stays in the buffer); false when the peer closed first.
    bool read_until(std::string_view text);
    std::string read_to_end();
    bool closed(); // waits until the peer has closed
    void close() { m_socket.close(); }
    const std::string& received() const { return m_received; }
    Answer ask(std::string_view bytes) {
      send(bytes);
      return read();
    }

   private:
    bool more(); // reads once; false at the end

    HttpHarness& m_harness;
    boost::asio::local::stream_protocol::socket m_socket;
    std::string m_received;
    bool m_at_end = false;
  };

  Client connect() { return Client(*this); }
  Answer ask(std::string_view bytes) { return connect().ask(bytes); }
  // "POST /path" with a JSON body and more header lines ("Prefer: wait\r\n").
  static std::string post(std::string_view path, std::string_view body, std::string_view headers = {});
  static std::string get(std::string_view path, std::string_view headers = {});

  boost::asio::io_context io;
  FakeService service;
  std::unique_ptr<HttpServer> server;

 private:
  std::string m_folder;
  std::string m_path;
};

} // namespace mrun
