#include "cli/client/daemon_process.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/json.h"
#include "common/limits.h"
#include "common/spawn.h"
#include "common/text.h"

extern char** environ;

namespace mrun::cli {
namespace {

constexpr std::chrono::seconds k_ready_timeout{60}; // a database to repair, a slow disk
constexpr std::chrono::seconds k_holder_wait = k_drain_timeout + std::chrono::seconds(20);
constexpr std::chrono::seconds k_start_wait = k_ready_timeout + k_holder_wait; // of the one who starts it
constexpr int k_lock_pause_ms = 10;
constexpr std::chrono::milliseconds k_look_again{100};
constexpr std::size_t k_ready_text_bytes = 16 * k_kib;
constexpr std::size_t k_max_lock_bytes = 4096;
constexpr std::size_t k_max_status_bytes = 1 * k_mib;

// A descriptor above the ones that the child's files are put on, so that no dup2 overwrites another's source.
Result<UniqueFd> raised(UniqueFd fd) {
  UniqueFd high(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 10));
  if (!high) return fail_errno(ErrorCode::resources, errno, "can't duplicate a descriptor");
  return high;
}

// What execve(2) wants: pointers that last as long as the texts, and a null.
std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  for (std::string& word : words)
    all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

Result<UniqueFd> spawn(const std::filesystem::path& program, const std::vector<std::string>& more,
                       UniqueFd log) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return fail_errno(ErrorCode::resources, errno, "can't make a pipe");
  UniqueFd read_end(ends[0]);
  MRUN_ASSIGN(const UniqueFd write_end, raised(UniqueFd(ends[1])));
  MRUN_ASSIGN(const UniqueFd log_fd, raised(std::move(log)));
  SpawnSetup setup;
  MRUN_TRY(setup.detach(log_fd.get(), write_end.get()));
  const std::string name = program.string();
  std::vector<std::string> words = {name, "--ready-fd", std::to_string(k_child_control_fd)};
  words.insert(words.end(), more.begin(), more.end());
  pid_t child = 0;
  const int problem = ::posix_spawn(&child, name.c_str(), setup.actions(), setup.attributes(),
                                    pointers(words).data(), environ);
  if (problem == ENOENT)
    return fail(ErrorCode::daemon_start, fmt::format("the daemon's program is missing: {}", name),
                "install mrun again (scripts/quickstart)");
  if (problem != 0) return fail_errno(ErrorCode::daemon_start, problem, fmt::format("can't start {}", name));
  return read_end;
}

// The daemon's last words are an error as the CLI renders them; its code is kept, so that the exit code is
// right.
Error error_of_words(std::string_view words) {
  Error error = fail(ErrorCode::daemon_start, {}).value();
  for (const std::string_view line : split(trim(words), '\n')) {
    const std::size_t colon = line.find(": ");
    const std::string_view head = line.substr(0, colon);
    const std::string rest = printable(colon == std::string_view::npos ? line : line.substr(colon + 2), 2000);
    if (head == "note")
      error.notes.push_back(rest);
    else if (head == "help")
      error.hint = rest;
    else if (head.starts_with("error[") && head.ends_with("]")) {
      const ErrorRow* row = find_error_row(head.substr(6, head.size() - 7));
      if (row != nullptr) error.code = row->code;
      error.message = rest;
    } else
      error.message += (error.message.empty() ? "" : "; ") + printable(line, 2000);
  }
  return error;
}

tl::unexpected<Error> not_ready(std::string_view words, const HomePaths& home) {
  const std::filesystem::path log = home.logs() / "mrund.log";
  if (!trim(words).empty()) {
    Error error = error_of_words(words);
    error.notes.emplace_back("the daemon could not start");
    return tl::unexpected<Error>(std::move(error));
  }
  Error error = fail(ErrorCode::daemon_start, "the daemon ended before it was ready",
                     fmt::format("its log: {}", log.string()))
                    .value();
  for (const std::string& line : last_lines(log, 5))
    error.notes.push_back(line);
  return tl::unexpected<Error>(std::move(error));
}

// The earlier of the caller's end and that of a step that may take `limit`.
Deadline within(const Patience& patience, std::chrono::seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  return patience.deadline && *patience.deadline < end ? patience.deadline : end;
}

// Why the caller does not wait any longer; nothing when it does.
Result<void> check_patience(const Patience& patience) {
  const auto now = std::chrono::steady_clock::now();
  if (patience.interrupt_fd >= 0 && wait_readable(patience.interrupt_fd, now, -1) == Wake::readable)
    return fail(ErrorCode::interrupted_by_user, "interrupted while the daemon was started");
  if (patience.deadline && now >= *patience.deadline)
    return fail(ErrorCode::daemon_unreachable, "the daemon was not ready in time",
                "it goes on starting; see `mrun daemon status`");
  return {};
}

Result<void> wait_ready(int fd, const HomePaths& home, const Patience& patience) {
  const Deadline deadline = within(patience, k_ready_timeout);
  std::string words;
  char buffer[1024];
  while (words.size() < k_ready_text_bytes) {
    const Wake wake = wait_readable(fd, deadline, patience.interrupt_fd);
    if (wake != Wake::readable) MRUN_TRY(check_patience(patience));
    if (wake == Wake::timed_out)
      return fail(ErrorCode::daemon_start,
                  fmt::format("the daemon is not ready after {} s", k_ready_timeout.count()),
                  fmt::format("its log: {}", (home.logs() / "mrund.log").string()));
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    words.append(buffer, static_cast<std::size_t>(got));
    if (words == "ready\n") return {};
  }
  return not_ready(words, home);
}

Result<UniqueFd> take_start_lock(const HomePaths& home, const Patience& patience) {
  UniqueFd lock(::open(home.start_lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock)
    return fail_errno(ErrorCode::home_refused, errno,
                      fmt::format("can't open {}", home.start_lock().string()));
  // flock has no deadline, so it is tried again.
  const auto end = std::chrono::steady_clock::now() + k_start_wait;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return fail_errno(ErrorCode::home_refused, errno, "can't take the start lock");
    if (std::chrono::steady_clock::now() >= end)
      return fail(ErrorCode::daemon_start,
                  fmt::format("another mrun has been starting the daemon for {} s", k_start_wait.count()),
                  "look for a stopped mrun process, then repeat");
    MRUN_TRY(check_patience(patience));
    ::poll(nullptr, 0, k_lock_pause_ms);
  }
  return lock;
}

Result<void> spawn_and_wait(const HomePaths& home, const std::filesystem::path& program,
                            const std::vector<std::string>& words, const Patience& patience) {
  const std::filesystem::path log_path = home.logs() / "mrund.log";
  UniqueFd log(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log)
    return fail_errno(ErrorCode::home_refused, errno, fmt::format("can't open {}", log_path.string()));
  MRUN_ASSIGN(const UniqueFd ready, spawn(program, words, std::move(log)));
  return wait_ready(ready.get(), home, patience);
}

struct Holder {
  int process_id = 0; // 0: none. It may have ended.
  std::filesystem::path socket;
  int listener = 0; // who made the socket, when that is the service manager
};

Holder read_holder(const HomePaths& home) {
  const std::string text =
      read_file(home.daemon_lock().string(), k_max_lock_bytes, ErrorCode::io, ErrorCode::io)
          .value_or(std::string());
  Holder holder;
  const std::vector<std::string_view> lines = split(text, '\n');
  const auto number = [&](std::size_t at, int& out) {
    if (at < lines.size()) std::from_chars(lines[at].data(), lines[at].data() + lines[at].size(), out);
  };
  number(0, holder.process_id);
  if (lines.size() > 1) holder.socket = trim(lines[1]);
  number(2, holder.listener);
  return holder;
}

bool is_alive(const Holder& holder) {
  return holder.process_id > 0 && (::kill(holder.process_id, 0) == 0 || errno == EPERM);
}

// Behind the socket may be a service manager that starts this home's daemon for whoever connects.
bool is_activated(const HomePaths& home, const Patience& patience) {
  const Patience limited{within(patience, k_ready_timeout), patience.interrupt_fd};
  auto connection = Connection::open(home.socket, limited);
  if (!connection || !*connection) return false;
  const auto head = (*connection)->send({.target = "/mrun/v1/status"}, limited);
  const auto body = head ? (*connection)->read_body(k_max_status_bytes, limited) : Result<std::string>("");
  const auto status = parse_json(body.value_or(""), ErrorCode::daemon_unreachable, "the daemon's status");
  if (!status || !status->is_object()) return false;
  const Json paths = status->value("home", Json::object());
  return paths.is_object() && paths.value("state", "") == home.state.string();
}

} // namespace

int home_holder(const HomePaths& home) {
  return read_holder(home).process_id;
}

// The lock says which process is this home's daemon and where it listens: at the usual socket another home's
// daemon may answer.
Result<std::optional<Connection>> open_home(const HomePaths& home, const Patience& patience) {
  const Holder holder = read_holder(home);
  if (!is_alive(holder)) return std::nullopt; // a mere look must not make a service manager start one
  MRUN_ASSIGN(auto connection,
              Connection::open(holder.socket.empty() ? home.socket : holder.socket, patience));
  const int peer = connection ? connection->peer_process() : 0;
  const bool is_ours = connection && (peer == 0 || peer == holder.process_id ||
                                      (holder.listener != 0 && peer == holder.listener));
  if (!is_ours) return std::nullopt;
  return connection;
}

namespace {

// Waits for the process that holds the home's lock: one that was stopping to end (nullopt), one that was just
// starting to listen. `held` is returned when there is none to wait for, or it does neither.
Result<std::optional<Connection>> wait_for_holder(const HomePaths& home, const Error& held,
                                                  const Patience& patience) {
  const int process_id = home_holder(home);
  const Deadline end = within(patience, k_holder_wait);
  while (process_id > 0) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= *end) break;
    MRUN_ASSIGN(const bool gone,
                wait_for_exit(process_id, std::min(now + k_look_again, *end), patience.interrupt_fd));
    if (gone) return std::nullopt;
    MRUN_TRY(check_patience(patience));
    MRUN_ASSIGN(auto connection, open_home(home, patience));
    if (connection) return connection;
  }
  return tl::unexpected<Error>(held);
}

} // namespace

bool autostart_disabled() {
  const char* value = std::getenv("MRUN_NO_AUTOSTART");
  return value != nullptr && *value != '\0' && std::string_view(value) != "0";
}

Result<Connection> start_daemon(const HomePaths& home, const std::filesystem::path& program,
                                const std::vector<std::string>& words, const std::function<void()>& on_start,
                                const Patience& patience) {
  MRUN_TRY(home.create());
  MRUN_ASSIGN(const UniqueFd lock, take_start_lock(home, patience));
  MRUN_ASSIGN(auto running, open_home(home, patience));
  if (!running && is_activated(home, patience)) {
    MRUN_ASSIGN(running, open_home(home, patience));
  }
  if (running) return std::move(*running);
  MRUN_TRY(check_patience(patience));
  on_start();
  auto started = spawn_and_wait(home, program, words, patience);
  if (!started && started.error().code == ErrorCode::daemon_running) {
    // One that is stopping has closed its socket and holds the home until its workers are gone.
    MRUN_ASSIGN(auto listening, wait_for_holder(home, started.error(), patience));
    if (listening) return std::move(*listening);
    started = spawn_and_wait(home, program, words, patience);
  }
  MRUN_TRY(started);
  MRUN_ASSIGN(auto connection, open_home(home, patience));
  if (!connection)
    return fail(ErrorCode::daemon_start, "the daemon said that it is ready, but does not answer");
  return std::move(*connection);
}

Error exec_daemon(const std::filesystem::path& program, std::vector<std::string> words) {
  const std::string name = program.string();
  words.insert(words.begin(), name);
  std::signal(SIGPIPE, SIG_DFL);
  ::execv(name.c_str(), pointers(words).data());
  if (errno == ENOENT)
    return fail(ErrorCode::daemon_start, fmt::format("the daemon's program is missing: {}", name),
                "install mrun again (scripts/quickstart)")
        .value();
  return fail_errno(ErrorCode::daemon_start, errno, fmt::format("can't run {}", name)).value();
}

Result<bool> wait_for_exit(int process_id, Deadline deadline, int interrupt_fd) {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, process_id, 0)));
  if (!process) {
    if (errno == ESRCH) return true;
    return fail_errno(ErrorCode::daemon_unreachable, errno,
                      fmt::format("can't watch process {}", process_id));
  }
  return wait_readable(process.get(), deadline, interrupt_fd) == Wake::readable;
}

std::vector<std::string> last_lines(const std::filesystem::path& file, std::size_t count) {
  constexpr off_t k_tail_bytes = 8192;
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) < 0) return {};
  const off_t from = std::max<off_t>(0, status.st_size - k_tail_bytes);
  std::string text(static_cast<std::size_t>(status.st_size - from), '\0');
  const ssize_t got = ::pread(fd.get(), text.data(), text.size(), from);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  std::vector<std::string> lines;
  for (const std::string_view line : split(text, '\n'))
    if (!trim(line).empty()) lines.push_back(printable(line));
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  return lines;
}

} // namespace mrun::cli
