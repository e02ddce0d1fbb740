// One HTTP/1.1 exchange at a time over the daemon's Unix socket: blocking, with a deadline and an interrupt.
//
// Not libcurl: its shared libraries alone take longer to link than a whole `mrun ls`
// (docs/adr/cli-http-client.md has the figures). Boost.Beast parses; this class moves bytes and keeps the
// bounds of common/limits.h.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/fd.h"

namespace mrun::cli {

struct HttpRequest {
  std::string method = "GET";
  std::string target = {}; // path and query
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  // A file's bytes follow `body`, then `body_tail` (multipart uploads): streamed, never held in memory.
  int file_fd = -1;
  std::uint64_t file_size = 0;
  std::string body_tail = {};
};

struct HttpHead {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers; // names in lower case

  std::string header(std::string_view lower_name) const; // "" when absent
};

enum class ReadResult { data, end, timed_out, interrupted };

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

// Without a deadline an exchange ends when nothing has moved for this long: what does not answer by then
// hangs (a stopped process, a dead disk).
inline constexpr std::chrono::seconds k_longest_silence{30};
// For a reply that may take as long as the work that it is about.
inline constexpr Deadline k_no_deadline = std::chrono::steady_clock::time_point::max();

// What ends a wait before what is waited for.
struct Patience {
  Deadline deadline = std::nullopt;
  int interrupt_fd = -1; // readable once a signal came (InterruptGuard); < 0: none
};

class Connection {
 public:
  // nullopt when nobody listens (absent socket, refused). Errors: peer_refused when the daemon is another
  // user's, daemon_unreachable, home_refused for a path that does not fit a socket address, those of send().
  static Result<std::optional<Connection>> open(const std::filesystem::path& socket, Patience patience = {});
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  // Sends the request and reads the reply's head. Errors: daemon_unreachable (broken, not HTTP, head too
  // large, the deadline or k_longest_silence passed), interrupted_by_user.
  Result<HttpHead> send(const HttpRequest& request, Patience patience = {});
  // After a send() that failed: whether the daemon may have read the whole request, and so may act on it.
  bool may_have_arrived() const;
  // Adds body bytes to `sink` as they come. `interrupt_fd` < 0: none. Error daemon_unreachable.
  Result<ReadResult> read(std::string& sink, Deadline deadline, int interrupt_fd);
  // The body to its end; over `limit` bytes is an error, as is what ends send().
  Result<std::string> read_body(std::size_t limit, Patience patience = {});
  const std::filesystem::path& socket() const;
  int fd() const;           // to wait for several at once; what has been read already does not show there
  int peer_process() const; // who listens; 0 when the kernel can't say (another pid namespace)
  // Waits until the peer closes. False when the deadline passed first.
  bool wait_closed(Deadline deadline);

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> m_impl;
};

// Waits for `fd` to be readable.
enum class Wake { readable, timed_out, interrupted };
Wake wait_readable(int fd, Deadline deadline, int interrupt_fd);

} // namespace mrun::cli
