// One connection to the daemon, and the request that it carries: connecting, sending, taking the reply's
// transport apart. What the reply says is read elsewhere, when nothing is due.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <sys/un.h>

#include "cli/bench/load/poller.h"
#include "cli/bench/load/sample.h"
#include "cli/client/reply_parser.h"
#include "cli/client/sse_parser.h"
#include "common/fd.h"

namespace mrun::bench {

// How far a reply is after bytes have come.
enum class ReplyState { partial, whole, broken };

// Not thread-safe. Calls other than open(), is_open(), is_busy() and close() need one that is open.
class Connection {
 public:
  // Connects without waiting and registers with the poller under `key`. 0, or errno.
  int open(const sockaddr_un& address, Poller& poller, std::uint64_t key);
  bool is_open() const { return static_cast<bool>(m_fd); }
  bool is_busy() const { return m_request != nullptr; } // carries a request
  void close() { m_fd.reset(); }                        // which takes it out of the poller

  // `request` lives until end(); `sample`: its number. Sends what the socket takes.
  void begin(const std::string& request, std::size_t sample, std::int64_t deadline_ns);
  void send();
  std::size_t sample() const { return m_sample; }
  std::int64_t deadline_ns() const { return m_deadline_ns; }

  // Reads once into `buffer`. Times go into the sample: first byte, first output. Broken: problem() says why.
  ReplyState receive(std::span<char> buffer, Sample& sample, std::int64_t at_ns);
  const std::string& problem() const { return m_problem; }
  // Of a whole reply.
  int status() const { return m_parser->head.status; }
  std::string take_body(); // of a stream: the data of its last event
  // Carries nothing any more. True when the daemon keeps the connection.
  bool end();

 private:
  void want_write(bool wanted);
  ReplyState broken(std::string_view why);
  bool follow_events(Sample& sample, std::int64_t at_ns);

  UniqueFd m_fd;
  Poller* m_poller = nullptr; // while open
  std::uint64_t m_key = 0;
  bool m_wants_write = false;
  const std::string* m_request = nullptr;
  std::size_t m_sample = 0;
  std::size_t m_sent_bytes = 0;
  std::int64_t m_deadline_ns = 0;
  std::optional<cli::ReplyParser> m_parser;
  std::optional<cli::SseParser> m_events; // of a streamed reply
  std::string m_unparsed;
  std::string m_done; // the data of `done`
  std::string m_problem;
};

} // namespace mrun::bench
