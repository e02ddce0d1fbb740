#include "cli/client/daemon_client.h"

#include <charconv>

#include <fmt/format.h>

#include "cli/client/daemon_process.h"
#include "cli/client/reply_limit.h"
#include "common/build_info.h"
#include "common/text.h"
#include "daemon/api/prediction.h"

namespace mrun::cli {
namespace {

constexpr std::chrono::seconds k_problem_wait{10};
constexpr std::chrono::seconds k_leave_wait{5};
constexpr std::chrono::seconds k_look_wait{2};

Deadline after(std::chrono::milliseconds wait) {
  return std::chrono::steady_clock::now() + wait;
}

// nullopt for anything but a small whole number (a date is none of ours).
std::optional<std::chrono::seconds> seconds_of(std::string_view text) {
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  return is_number && seconds <= 3600 ? std::optional(std::chrono::seconds(seconds)) : std::nullopt;
}

} // namespace

HttpRequest json_request(std::string target, const Json& body) {
  return {.method = "POST",
          .target = std::move(target),
          .headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}},
          .body = canonical_json(body)};
}

Error error_of_reply(int status, std::string_view body) {
  const auto problem =
      parse_json(body, ErrorCode::daemon_unreachable, "the daemon's reply", {.max_bytes = k_max_reply_bytes});
  if (problem)
    if (auto error = error_of_problem(*problem)) return std::move(*error);
  return fail(ErrorCode::daemon_unreachable,
              fmt::format("the daemon answered with status {} and no reason", status))
      .value();
}

DaemonClient::DaemonClient(const Context& context, Start start, HomePaths home, Connection connection,
                           Patience patience)
    : m_context(context),
      m_start(start),
      m_home(std::move(home)),
      m_connection(std::move(connection)),
      m_patience(patience) {}

Result<DaemonClient> DaemonClient::connect(const Context& context, Start start, Patience patience) {
  MRUN_ASSIGN(HomePaths home, context.home());
  MRUN_ASSIGN(Connection connection, reach(context, start, home, patience));
  return DaemonClient(context, start, std::move(home), std::move(connection), patience);
}

Result<Connection> DaemonClient::reach(const Context& context, Start start, const HomePaths& home,
                                       const Patience& patience) {
  MRUN_ASSIGN(auto connection, open_home(home, patience));
  if (connection) return std::move(*connection);
  if (start == Start::never)
    return fail(ErrorCode::daemon_unreachable, "no daemon is running", "start it with `mrun daemon start`");
  if (autostart_disabled())
    return fail(ErrorCode::daemon_unreachable, "no daemon is running and MRUN_NO_AUTOSTART is set",
                "start it with `mrun daemon start`");
  MRUN_ASSIGN(const InstallPaths install, context.install());
  return start_daemon(
      home, install.daemon(), {},
      [&] {
        if (!context.json) context.say("starting the daemon (`mrun daemon stop` ends it)");
      },
      patience);
}

Result<Json> DaemonClient::get(const std::string& target, Deadline deadline) {
  return request({.target = target, .headers = {{"Accept", "application/json"}}}, deadline);
}

Result<Json> DaemonClient::post(const std::string& target, const Json& body, Deadline deadline) {
  return request(json_request(target, body), deadline);
}

Result<Json> DaemonClient::request(HttpRequest request, Deadline deadline) {
  MRUN_TRY(open(std::move(request), deadline));
  MRUN_ASSIGN(const std::string body, m_connection.read_body(k_max_reply_bytes, until(deadline)));
  if (body.empty()) return Json::object();
  return parse_json(body, ErrorCode::daemon_unreachable, "the daemon's reply",
                    {.max_bytes = k_max_reply_bytes});
}

Patience DaemonClient::until(Deadline deadline) const {
  Patience patience = m_patience;
  if (deadline && (!patience.deadline || *deadline < *patience.deadline)) patience.deadline = deadline;
  return patience;
}

// A daemon that is just ending may take a connection and drop it unanswered: then the next one is asked, or
// there is none. What may have been acted on is not sent again.
Result<HttpHead> DaemonClient::send(const HttpRequest& request, const Patience& patience) {
  const auto started = std::chrono::steady_clock::now();
  auto head = m_connection.send(request, patience);
  if (head || head.error().code != ErrorCode::daemon_unreachable) return head;
  if (request.method != "GET" && m_connection.may_have_arrived()) return head;
  const auto now = std::chrono::steady_clock::now();
  const bool is_late = (patience.deadline && now >= *patience.deadline) || now - started >= k_longest_silence;
  if (is_late) return head;
  MRUN_ASSIGN(m_connection, reach(m_context, m_start, m_home, patience));
  return m_connection.send(request, patience);
}

Result<HttpHead> DaemonClient::open(HttpRequest request, Deadline deadline) {
  MRUN_ASSIGN(HttpHead head, send(request, until(deadline)));
  note_build(head);
  m_retry_after = seconds_of(head.header("retry-after"));
  if (head.status < 400) return head;
  return tl::unexpected<Error>(error_of_reply(
      head.status, m_connection.read_body(k_max_reply_bytes, until(after(k_problem_wait))).value_or("")));
}

void DaemonClient::note_build(const HttpHead& head) {
  m_daemon_build = head.header("mrun-build");
  m_other_build = !m_daemon_build.empty() && m_daemon_build != build_id();
}

void DaemonClient::settle_build_skew() {
  if (!m_other_build || m_start == Start::never || autostart_disabled()) return;
  m_start = Start::never; // what follows concerns the daemon that is there
  const auto warn_busy = [&] {
    const Error skew = fail(ErrorCode::version_skew,
                            fmt::format("the daemon is of build {}, this mrun of {}",
                                        printable(m_daemon_build, 60), build_id()),
                            "restart it with `mrun daemon stop`")
                           .value();
    if (!m_context.json) m_context.warn(fmt::format("{} (M1518): {}", skew.message, skew.help()));
  };
  auto fresh = open_home(m_home, until(after(k_look_wait)));
  if (!fresh || !*fresh) return;
  m_connection = std::move(**fresh);
  const auto status = get("/mrun/v1/status", after(k_look_wait));
  if (!status || !status->value("idle", false)) return warn_busy();
  const auto process_id = json_integer(*status, "pid", ErrorCode::daemon_unreachable, "the daemon's status");
  auto again = open_home(m_home, until(after(k_look_wait)));
  if (!process_id || !*process_id || !again || !*again) return warn_busy();
  m_connection = std::move(**again);
  if (!post("/mrun/v1/shutdown", Json::object(), after(k_look_wait))) return warn_busy();
  static_cast<void>(
      wait_for_exit(static_cast<int>(**process_id), after(k_leave_wait), m_patience.interrupt_fd));
  if (!m_context.json)
    m_context.say(fmt::format("stopped the idle daemon of build {}; the next command starts the new one",
                              printable(m_daemon_build, 60)));
}

} // namespace mrun::cli
