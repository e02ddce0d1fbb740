#include "runtime/engines/process/program.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/text.h"
#include "runtime/engines/process/messages.h"

namespace mrun::process {
namespace {

constexpr int k_for_ever = -1;
constexpr std::chrono::seconds k_stop_grace{1}; // twice: the daemon's own patience is 5 s
constexpr std::size_t k_read_bytes = 64 * k_kib;

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0)
    return fail_errno(ErrorCode::resources, errno, "can't make a pipe to the program");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts)
    result.push_back(const_cast<char*>(text.c_str())); // execve's signature predates const
  result.push_back(nullptr);
  return result;
}

// In the child, between fork and exec: only what is safe there. Gives errno to `report` and ends.
struct ChildPlan {
  const char* path;
  const char* folder;
  char* const* arguments;
  char* const* environment;
  int input, output, report, parent_pid;
};

[[noreturn]] void give_up(int report) {
  const int number = errno;
  (void)!::write(report, &number, sizeof number);
  ::_exit(127);
}

[[noreturn]] void become_program(const ChildPlan& plan) {
  constexpr int k_report_fd = 3;
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || ::getppid() != plan.parent_pid) ::_exit(127);
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // The three come from pipe2 in a worker that has 0 to 3 open, so they are above 3.
  if (::dup2(plan.input, STDIN_FILENO) < 0 || ::dup2(plan.output, STDOUT_FILENO) < 0 ||
      ::dup3(plan.report, k_report_fd, O_CLOEXEC) < 0)
    ::_exit(127);
  ::syscall(SYS_close_range, k_report_fd + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  if (::chdir(plan.folder) < 0) give_up(k_report_fd);
  ::execve(plan.path, plan.arguments, plan.environment);
  give_up(k_report_fd);
}

// 0 when exec has closed the pipe, else the child's errno.
int exec_result(int report_fd) {
  int number = 0;
  ssize_t got = 0;
  do
    got = ::read(report_fd, &number, sizeof number);
  while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof number) ? number : 0;
}

// Whether one of them has something, or does within that time.
bool wait_ready(std::span<pollfd> all, int patience_ms) {
  int ready = 0;
  do
    ready = ::poll(all.data(), all.size(), patience_ms);
  while (ready < 0 && errno == EINTR);
  return ready > 0;
}

Error exec_error(const std::string& path, int number) {
  const std::string name = path.substr(path.rfind('/') + 1);
  if (number == ENOENT) // the file is there: its interpreter is not
    return fail(ErrorCode::load_failed,
                fmt::format("`{}` can't be started: its interpreter is not there", name),
                "its first line names it, as `#!/usr/bin/env python3`")
        .value();
  if (number == ENOEXEC)
    return fail(ErrorCode::load_failed, fmt::format("`{}` is neither a program nor a script", name),
                "a script begins with `#!` and its interpreter, as `#!/bin/sh`")
        .value();
  return fail_errno(ErrorCode::load_failed, number, fmt::format("`{}` can't be started", name)).value();
}

} // namespace

std::string ProgramEnd::words() const {
  if (!was_signal) return fmt::format("ended with exit code {}", value);
  const char* name = ::sigabbrev_np(value);
  return name != nullptr ? fmt::format("died of SIG{}", name) : fmt::format("died of signal {}", value);
}

Result<std::unique_ptr<Program>> Program::start(const Launch& launch, Listener& listener) {
  MRUN_ASSIGN(Pipe input, make_pipe());
  MRUN_ASSIGN(Pipe output, make_pipe());
  MRUN_ASSIGN(Pipe report, make_pipe());
  const std::vector<std::string> words = {launch.path};
  const std::vector<char*> arguments = pointers(words), environment = pointers(launch.environment);
  const ChildPlan plan{launch.path.c_str(), launch.folder.c_str(), arguments.data(),   environment.data(),
                       input.read.get(),    output.write.get(),    report.write.get(), ::getpid()};
  const int pid = ::fork();
  if (pid < 0) return fail_errno(ErrorCode::resources, errno, "can't start the program");
  if (pid == 0) become_program(plan);
  input.read.reset();
  output.write.reset();
  report.write.reset();
  if (const int number = exec_result(report.read.get()); number != 0) {
    ::waitpid(pid, nullptr, 0);
    return tl::unexpected(exec_error(launch.path, number));
  }
  return std::unique_ptr<Program>(new Program(pid, std::move(input.write), std::move(output.read), listener));
}

Program::Program(int pid, UniqueFd input, UniqueFd output, Listener& listener)
    : m_pid(pid),
      m_input(std::move(input)),
      m_output(std::move(output)),
      m_listener(listener),
      m_writer([this] { write_lines(); }),
      m_reader([this] { read_lines(); }) {}

Program::~Program() {
  {
    std::unique_lock lock(m_mutex);
    m_is_stopping = true;
    m_changed.notify_all(); // the writer closes its input
    for (const int number : {SIGTERM, SIGKILL}) {
      if (m_changed.wait_for(lock, k_stop_grace, [this] { return m_is_gone; })) break;
      ::kill(m_pid, number); // not waited for yet, so the number is still its own
    }
  }
  m_reader.join();
  m_writer.join();
}

void Program::send(std::string line) {
  const std::scoped_lock lock(m_mutex);
  m_outbox.push_back(std::move(line));
  m_changed.notify_all();
}

void Program::write_lines() {
  std::unique_lock lock(m_mutex);
  while (true) {
    m_changed.wait(lock, [this] { return m_is_stopping || m_is_gone || !m_outbox.empty(); });
    if (m_is_gone || m_outbox.empty()) break; // stopping: what was sent before is still written
    const std::string line = std::move(m_outbox.front());
    m_outbox.pop_front();
    lock.unlock();
    const bool written = write_all(m_input.get(), line, "the program's input").has_value();
    lock.lock();
    if (!written) break; // it has closed its input; its end tells the rest
  }
  m_input.reset();
}

// False when a line is too long.
bool Program::take(std::string& pending, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (part.size() > k_max_line_bytes - pending.size()) return false;
    if (end == std::string_view::npos) {
      pending.append(part);
      return true;
    }
    if (pending.empty()) {
      m_listener.on_line(part);
    } else {
      pending.append(part);
      m_listener.on_line(pending);
      pending.clear();
    }
    bytes.remove_prefix(end + 1);
  }
  return true;
}

void Program::read_lines() {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, m_pid, 0)));
  std::string pending, buffer(k_read_bytes, '\0');
  while (has_output(process.get())) {
    const ssize_t got = ::read(m_output.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (take(pending, std::string_view(buffer).substr(0, static_cast<std::size_t>(got)))) continue;
    m_listener.on_too_long(k_max_line_bytes);
    pending.clear();
    break;
  }
  m_output.reset();
  if (!pending.empty()) m_listener.on_line(pending); // cut short by its end, which the parser will say
  m_listener.on_end(wait_for_end(process.get()));
}

// Waits until there is something to read. False: it has ended, and all that it said is read; what a process
// that it left behind holds open is not waited for.
bool Program::has_output(int process) const {
  std::array<pollfd, 2> both = {pollfd{m_output.get(), POLLIN, 0}, pollfd{process, POLLIN, 0}};
  wait_ready(both, k_for_ever);
  return both[0].revents != 0 || wait_ready(std::span(both).first(1), 0);
}

// A program that closed its output and stays can't say anything any more.
ProgramEnd Program::wait_for_end(int process) {
  std::array<pollfd, 1> end = {pollfd{process, POLLIN, 0}};
  if (!wait_ready(end, static_cast<int>(std::chrono::milliseconds(k_stop_grace).count()))) {
    ::kill(m_pid, SIGKILL);
    wait_ready(end, k_for_ever);
  }
  int status = 0;
  const std::scoped_lock lock(m_mutex); // nobody signals the number once it is free
  ::waitpid(m_pid, &status, 0);
  m_is_gone = true;
  m_changed.notify_all();
  return WIFSIGNALED(status) ? ProgramEnd{true, WTERMSIG(status)} : ProgramEnd{false, WEXITSTATUS(status)};
}

} // namespace mrun::process
