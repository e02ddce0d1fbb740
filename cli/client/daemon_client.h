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
  // Connects. Errors: daemon_unreachable, daemon_start, peer_refused, home_refused, interrupted_by_user.
  // `patience` holds for this and for all that is asked later.
  static Result<DaemonClient> connect(const Context& context, Start start, Patience patience = {});
  void set_patience(Patience patience) { m_patience = patience; }

  // A JSON exchange; a problem object becomes its error. `deadline`, or the earlier one of the client's
  // patience: daemon_unreachable when it passes; without any, when k_longest_silence did.
  Result<Json> get(const std::string& target, Deadline deadline = std::nullopt);
  Result<Json> post(const std::string& target, const Json& body, Deadline deadline = std::nullopt);
  Result<Json> request(HttpRequest request, Deadline deadline = std::nullopt);

  // The head of a reply whose body the caller reads from `connection()`. A status of 400 or more is an error.
  // A daemon that breaks off is asked again, or the next one is: a GET always, anything else only when it
  // can't have arrived.
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
  DaemonClient(const Context& context, Start start, HomePaths home, Connection connection, Patience patience);
  static Result<Connection> reach(const Context& context, Start start, const HomePaths& home,
                                  const Patience& patience);
  Patience until(Deadline deadline) const;
  Result<HttpHead> send(const HttpRequest& request, const Patience& patience);
  void note_build(const HttpHead& head);

  const Context& m_context;
  Start m_start;
  HomePaths m_home;
  Connection m_connection;
  Patience m_patience;
  std::string m_daemon_build;
  bool m_other_build = false;
  std::optional<std::chrono::seconds> m_retry_after;
};

// A POST with a JSON body.
HttpRequest json_request(std::string target, const Json& body);
// The error that a reply of `status` >= 400 means: the problem object in its body, else its status.
Error error_of_reply(int status, std::string_view body);

} // namespace mrun::cli
