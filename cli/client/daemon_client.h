// The daemon as commands see it: a JSON API that starts itself.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "cli/client/connection.h"
#include "cli/context.h"
#include "common/json.h"

namespace mrun::cli {

enum class Start {
  if_needed, // start a daemon when none runs (unless MRUN_NO_AUTOSTART)
  never      // daemon_unreachable when none runs
};

class DaemonClient {
 public:
  // Connects. Errors: daemon_unreachable, daemon_start, peer_refused, home_refused.
  static Result<DaemonClient> connect(const Context& context, Start start);

  // A JSON exchange; a problem object becomes its error. `deadline`: daemon_unreachable when it passes.
  Result<Json> get(const std::string& target, Deadline deadline = std::nullopt);
  Result<Json> post(const std::string& target, const Json& body, Deadline deadline = std::nullopt);
  Result<Json> request(HttpRequest request, Deadline deadline = std::nullopt);

  // The head of a reply whose body the caller reads from `connection()`. A status of 400 or more is an error.
  // When an idle daemon of another build refuses in order to make room (version_skew), a new one is started
  // and asked.
  Result<HttpHead> open(HttpRequest request, Deadline deadline = std::nullopt);
  Connection& connection() { return m_connection; }

  // What the last reply said of when to repeat the request.
  std::optional<std::chrono::seconds> retry_after() const { return m_retry_after; }

  // The daemon that answered is of another build. Known after the first reply.
  bool other_build() const { return m_other_build; }
  // Restarts an idle daemon of another build, so that the next command meets the right one; warns of a busy
  // one. Does nothing when the builds agree or the client was not to start anything.
  void settle_build_skew();

 private:
  DaemonClient(const Context& context, Start start, HomePaths home, Connection connection);
  static Result<Connection> reach(const Context& context, Start start, const HomePaths& home);
  Result<HttpHead> send(const HttpRequest& request, Deadline deadline);
  void note_build(const HttpHead& head);

  const Context& m_context;
  Start m_start;
  HomePaths m_home;
  Connection m_connection;
  std::string m_daemon_build;
  bool m_other_build = false;
  std::optional<std::chrono::seconds> m_retry_after;
};

// A POST with a JSON body.
HttpRequest json_request(std::string target, const Json& body);
// The error that a reply of `status` >= 400 means: the problem object in its body, else its status.
Error error_of_reply(int status, std::string_view body);

} // namespace mrun::cli
