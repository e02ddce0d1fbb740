// mrun daemon run|start|stop|status|socket.
#include <algorithm>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/daemon_client.h"
#include "cli/client/daemon_process.h"
#include "cli/client/interrupt.h"
#include "cli/client/tcp_urls.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/render/json_text.h"
#include "common/limits.h"
#include "common/tcp_address.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

// A drain, then the workers' own ladder.
constexpr std::chrono::seconds k_stop_wait = k_drain_timeout + std::chrono::seconds(20);
constexpr std::chrono::seconds k_status_wait{5};
constexpr int k_start_attempts = 3;

constexpr std::string_view k_actions[] = {"run", "start", "stop", "status", "socket"};
constexpr PositionalSpec k_positionals[] = {
    {.name = "ACTION",
     .choices = k_actions,
     .help = "run (in the foreground), start, stop, status, or socket (its path)"}};
constexpr FlagSpec k_flags[] = {
    {.name = "listen",
     .value_name = "ADDRESS",
     .type = FlagType::text,
     .repeatable = true,
     .help =
         "with run and start: answer at tcp://127.0.0.1:PORT too, to callers with a token; port 0 is any"},
    {.name = "allow-host",
     .value_name = "NAME",
     .type = FlagType::text,
     .repeatable = true,
     .help = "a name by which callers over TCP may call this machine, besides its address"},
    {.name = "insecure-plaintext", .help = "let --listen be reached by other machines, without TLS"},
};
constexpr ExampleSpec k_examples[] = {
    {"daemon start", "in the background; commands do it by themselves"},
    {"daemon start --listen tcp://127.0.0.1:8000",
     "for programs that speak HTTP over TCP; `mrun token create` lets them in"},
    {"daemon stop", "after what runs has ended"},
    {"daemon status", "exit code 6 when none runs"},
    {"daemon socket", "where programs find its API: curl --unix-socket"},
    {"daemon run", "in the foreground, for a supervisor such as systemd"}};
constexpr int k_exit_codes[] = {4, 6};

Deadline after(std::chrono::seconds wait) {
  return std::chrono::steady_clock::now() + wait;
}

Result<int> show_status(Context& context, const Json& status, std::string_view first_word) {
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, status));
    return 0;
  }
  const auto number = [&](const char* key) {
    return status.contains(key) && status[key].is_number_integer() ? status[key].get<std::int64_t>() : 0;
  };
  const auto text = [&](const char* key) {
    return status.contains(key) && status[key].is_string() ? printable(status[key].get<std::string>())
                                                           : std::string();
  };
  const Json home = status.value("home", Json::object());
  std::string line =
      fmt::format("{}: process {}, build {}, up {}, {} predictions under way, socket {}", first_word,
                  number("pid"), text("build"), format_duration(number("uptime_ns")), number("active"),
                  printable(home.value("socket", "")));
  for (const std::string& url : urls_of(status))
    line += fmt::format(", {}", printable(url));
  if (status.value("draining", Json(false)) == true) line += ", stopping";
  MRUN_TRY(context.terminal.out(line + "\n"));
  if (context.verbose) MRUN_TRY(context.terminal.out(pretty_json(status) + "\n"));
  return 0;
}

// The daemon's words for what the command line says of TCP.
std::vector<std::string> daemon_words(const Arguments& arguments) {
  std::vector<std::string> words;
  for (const char* flag : {"listen", "allow-host"})
    for (const std::string& value : arguments.values(flag)) {
      words.push_back(fmt::format("--{}", flag));
      words.push_back(value);
    }
  if (arguments.has("insecure-plaintext")) words.emplace_back("--insecure-plaintext");
  return words;
}

Result<int> run_foreground(const Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_TRY(home.create());
  MRUN_ASSIGN(const InstallPaths install, context.install());
  return tl::unexpected<Error>(exec_daemon(install.daemon(), daemon_words(arguments)));
}

Result<Json> ask_status(const Context& context) {
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::never));
  return client.get("/mrun/v1/status", after(k_status_wait));
}

std::vector<std::string> texts_of(const Json& status, const char* key) {
  std::vector<std::string> texts;
  for (const Json& text : status.value(key, Json::array()))
    if (text.is_string()) texts.push_back(text.get<std::string>());
  return texts;
}

// A running daemon keeps the addresses that it was started with, and the names.
Result<void> check_listens(const Json& status, const Arguments& arguments) {
  const std::vector<std::string> there = texts_of(status, "listen");
  const std::vector<std::string> names = texts_of(status, "allow_hosts");
  for (const std::string& text : arguments.values("listen")) {
    MRUN_ASSIGN(const TcpAddress wanted, parse_tcp_address(text));
    // Port 0: any will do.
    const std::string beginning = wanted.text().substr(0, wanted.text().rfind(':') + 1);
    const bool listens = std::ranges::any_of(there, [&](const std::string& address) {
      return wanted.port() == 0 ? address.starts_with(beginning) : address == wanted.text();
    });
    if (!listens)
      return fail(ErrorCode::daemon_running,
                  fmt::format("the daemon that runs does not listen at {}", wanted.text()),
                  "`mrun daemon stop` first; `listen:` in config.yaml makes every start do it");
  }
  for (const std::string& name : arguments.values("allow-host"))
    if (std::ranges::find(names, lower_ascii(name)) == names.end())
      return fail(ErrorCode::daemon_running,
                  fmt::format("the daemon that runs lets nobody in by the name {}", printable(name, 80)),
                  "`mrun daemon stop` first; `allow_hosts:` in config.yaml makes every start do it");
  return {};
}

// Whoever opens the TCP door needs a token next.
Result<void> tell_of_tokens(const Context& context) {
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::never));
  MRUN_ASSIGN(const Json reply, client.get("/mrun/v1/tokens", after(k_status_wait)));
  if (reply.value("tokens", Json::array()).empty())
    context.say("nobody has a token yet: mrun token create NAME");
  return {};
}

// A daemon that was just killed may take the connection and drop it unanswered: then the next one is started.
Result<int> start(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_ASSIGN(const InstallPaths install, context.install());
  for (int attempt = 1;; ++attempt) {
    bool started = false;
    MRUN_TRY(start_daemon(home, install.daemon(), daemon_words(arguments), [&] { started = true; }));
    const auto reply = ask_status(context);
    if (!reply && reply.error().code == ErrorCode::daemon_unreachable && attempt < k_start_attempts) continue;
    MRUN_TRY(reply);
    MRUN_TRY(check_listens(*reply, arguments));
    if (context.quiet && !context.json) return 0;
    MRUN_ASSIGN(const int code, show_status(context, *reply, started ? "started" : "running already"));
    if (!context.json && !urls_of(*reply).empty()) MRUN_TRY(tell_of_tokens(context));
    return code;
  }
}

Result<int> status(Context& context) {
  MRUN_ASSIGN(const Json reply, ask_status(context));
  return show_status(context, reply, "running");
}

// Two Ctrl-C leave; the daemon goes on stopping.
Result<bool> wait_gone(const Context& context, int process_id) {
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  const Deadline deadline = after(k_stop_wait);
  const auto quick = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  MRUN_ASSIGN(bool gone, wait_for_exit(process_id, quick, interrupt.fd()));
  if (!gone && interrupt.exit_code() == 0) {
    if (!context.json) context.say("waiting for what runs to end");
    MRUN_ASSIGN(gone, wait_for_exit(process_id, deadline, interrupt.fd()));
  }
  return gone;
}

tl::unexpected<Error> does_not_answer(const Context& context, const Error& error) {
  Error told = error;
  const auto home = context.home();
  const int process_id = home ? home_holder(*home) : 0;
  if (process_id > 0)
    told.hint = fmt::format("process {} does not answer: end it with `kill -9 {}`", process_id, process_id);
  return tl::unexpected<Error>(std::move(told));
}

Result<int> stop(Context& context) {
  auto client = DaemonClient::connect(context, Start::never);
  bool was_running = client.has_value();
  if (!client && client.error().code != ErrorCode::daemon_unreachable)
    return tl::unexpected<Error>(std::move(client).error());
  if (client) {
    const auto status = client->get("/mrun/v1/status", after(k_status_wait));
    if (!status) return does_not_answer(context, status.error());
    MRUN_ASSIGN(const std::int64_t process_id,
                need_integer(*status, "pid", ErrorCode::daemon_unreachable, "the daemon's status"));
    MRUN_TRY(client->post("/mrun/v1/shutdown", Json::object(), after(k_status_wait)));
    MRUN_ASSIGN(const bool gone, wait_gone(context, static_cast<int>(process_id)));
    if (!gone)
      return fail(ErrorCode::draining, fmt::format("process {} is still stopping", process_id),
                  fmt::format("wait, or end it with `kill -9 {}`", process_id));
  }
  if (context.json)
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.daemon_stop/v1"}, {"was_running", was_running}}));
  else
    context.say(was_running ? "stopped" : "no daemon is running");
  return 0;
}

// Where it listens, or will.
Result<int> print_socket(const Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_ASSIGN(const auto connection, open_home(home));
  const std::string path = connection ? connection->socket().string() : home.socket.string();
  if (context.json)
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.daemon_socket/v1"}, {"socket", path}}));
  else
    MRUN_TRY(context.terminal.out(path + "\n"));
  return 0;
}

Result<int> run(Context& context, const Arguments& arguments) {
  const std::string action = arguments.positional(0);
  if (action != "run" && action != "start" && !daemon_words(arguments).empty())
    return fail(ErrorCode::usage,
                fmt::format("`mrun daemon {}` does not take {}", action, daemon_words(arguments).front()),
                "--listen, --allow-host and --insecure-plaintext are for run and start");
  if (action == "run") return run_foreground(context, arguments);
  if (action == "start") return start(context, arguments);
  if (action == "stop") return stop(context);
  if (action == "socket") return print_socket(context);
  return status(context);
}

} // namespace

extern const CommandSpec k_command_daemon;
constinit const CommandSpec k_command_daemon{
    .name = "daemon",
    .group = CommandGroup::manage,
    .summary = "run, start, stop, look at or find the daemon",
    .description =
        "The daemon keeps models loaded and serves the API on a Unix socket. `mrun predict` starts it when "
        "it is\n"
        "needed. Its log is mrund.log below the state folder (`mrun daemon status -v` shows where).\n"
        "\n"
        "Over TCP it answers only where --listen, or `listen` of config.yaml, says so, and only to callers "
        "with a\n"
        "token (`mrun token create`) that call it by the address itself. Without --insecure-plaintext that "
        "is an\n"
        "address of this machine's own loopback.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
