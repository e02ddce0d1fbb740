#include "cli/terminal.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "cli/render/columns.h"
#include "cli/render/github.h"
#include "common/fd.h"
#include "common/terminal_text.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::string_view k_clear_line = "\r\x1b[K";
constexpr int k_usual_columns = 80;

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_ci() {
  return environment("CI") == "true" || environment("CI") == "1";
}

bool can_move() {
  return environment("TERM") != "dumb" && !is_ci();
}

// https://no-color.org and https://bixense.com/clicolors: NO_COLOR wins.
bool wants_color(bool is_terminal) {
  if (!environment("NO_COLOR").empty()) return false;
  const std::string_view forced = environment("CLICOLOR_FORCE");
  if (!forced.empty() && forced != "0") return true;
  return is_terminal && environment("TERM") != "dumb" && environment("CLICOLOR") != "0";
}

constexpr std::string_view style_code(Style style) {
  switch (style) {
  case Style::plain:
    return "";
  case Style::bold:
    return "\x1b[1m";
  case Style::dim:
    return "\x1b[2m";
  case Style::error:
    return "\x1b[1;31m";
  case Style::note:
    return "\x1b[1;33m";
  case Style::help:
    return "\x1b[1;36m";
  case Style::good:
    return "\x1b[32m";
  }
  return "";
}

// 0: not known.
unsigned short width_of(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// 0, or errno of the write that failed.
int write_fully(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return errno;
      pollfd writable{fd, POLLOUT, 0}; // whoever shares the pipe made it non-blocking
      ::poll(&writable, 1, -1);
      continue;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

// Keys are not shown as long as it lives; -1, or what is no terminal: nothing. A signal that ends or stops
// the process waits until wait() or the end, which show keys again first: the shell's line would be typed
// blindly.
class HiddenInput {
 public:
  enum class Wake { key, interrupted, resumed };

  explicit HiddenInput(int fd) : m_fd(::tcgetattr(fd, &m_before) == 0 ? fd : -1) {
    if (m_fd < 0) return;
    ::sigemptyset(&m_signals);
    for (const int number : k_signals) {
      struct sigaction action {};
      const bool is_ignored = ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
      if (!is_ignored) ::sigaddset(&m_signals, number);
    }
    m_signal_fd.reset(::signalfd(-1, &m_signals, SFD_CLOEXEC | SFD_NONBLOCK));
    hide();
  }
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;
  ~HiddenInput() {
    if (m_fd >= 0) show();
  }

  // For the next key. A signal is taken as if nobody had asked: most end the process here. `interrupted`: a
  // handler took it; `resumed`: the process was stopped and goes on.
  Wake wait() {
    if (m_fd < 0) return Wake::key;
    pollfd waits[] = {{m_fd, POLLIN, 0}, {m_signal_fd.get(), POLLIN, 0}};
    while (::poll(waits, 2, -1) < 0 && errno == EINTR) {
    }
    if (waits[1].revents == 0) return Wake::key;
    sigset_t pending{};
    ::sigpending(&pending);
    const bool is_interrupt = std::ranges::any_of(k_signals, [&](int number) {
      return number != SIGTSTP && ::sigismember(&m_signals, number) == 1 &&
             ::sigismember(&pending, number) == 1;
    });
    show();
    hide();
    return is_interrupt ? Wake::interrupted : Wake::resumed;
  }

 private:
  static constexpr int k_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

  void hide() {
    ::pthread_sigmask(SIG_BLOCK, &m_signals, &m_mask);
    termios silent = m_before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(m_fd, TCSAFLUSH, &silent);
  }
  void show() {
    ::tcsetattr(m_fd, TCSAFLUSH, &m_before);
    ::pthread_sigmask(SIG_SETMASK, &m_mask, nullptr);
  }

  termios m_before{};
  sigset_t m_signals{};
  sigset_t m_mask{};
  UniqueFd m_signal_fd;
  int m_fd;
};

} // namespace

Terminal::Terminal(int in_fd, int out_fd, int err_fd)
    : m_in_fd(in_fd),
      m_out_fd(out_fd),
      m_err_fd(err_fd),
      m_in_is_terminal(::isatty(in_fd) == 1 && !is_ci()),
      m_out_is_terminal(::isatty(out_fd) == 1),
      m_err_is_terminal(::isatty(err_fd) == 1 && !is_ci()),
      m_out_color(wants_color(m_out_is_terminal && !is_ci())),
      m_err_color(wants_color(m_err_is_terminal)),
      m_guards_commands(environment("GITHUB_ACTIONS") == "true") {}

Result<void> Terminal::out(std::string_view text) {
  clear_status();
  if (m_out_closed) return {};
  if (!text.empty()) m_out_line_is_open = !text.ends_with('\n');
  const int problem = write_fully(m_out_fd, text);
  if (problem == EPIPE) {
    m_out_closed = true;
    return {};
  }
  if (problem != 0) return fail_errno(ErrorCode::io, problem, "can't write to standard output");
  return {};
}

Result<void> Terminal::out_foreign(std::string_view text) {
  return m_out_is_terminal ? out(terminal_safe(text)) : out(text);
}

void Terminal::err(std::string_view text) {
  clear_status();
  if (m_guards_commands) {
    static_cast<void>(write_fully(m_err_fd, without_github_commands(text)));
    return;
  }
  static_cast<void>(write_fully(m_err_fd, text));
}

void Terminal::annotate(std::string_view commands) {
  clear_status();
  if (m_keeps_annotations)
    m_annotations += commands;
  else
    static_cast<void>(write_fully(m_err_fd, commands));
}

std::string Terminal::take_annotations() {
  m_keeps_annotations = false;
  return std::exchange(m_annotations, {});
}

void Terminal::status(std::string_view text) {
  if (!err_can_move()) return;
  m_has_status = true;
  // One more would wrap on some terminals, and only the last row of it could be cleared.
  const auto columns = static_cast<std::size_t>(std::max(err_width() - 1, 1));
  static_cast<void>(write_fully(m_err_fd, std::string(k_clear_line).append(cut_to_columns(text, columns))));
}

void Terminal::clear_status() {
  if (std::exchange(m_has_status, false)) static_cast<void>(write_fully(m_err_fd, k_clear_line));
}

bool Terminal::out_can_move() const {
  return m_out_is_terminal && can_move();
}

bool Terminal::err_can_move() const {
  return m_err_is_terminal && can_move();
}

std::size_t Terminal::out_width() const {
  return m_out_is_terminal ? width_of(m_out_fd) : 0;
}

int Terminal::err_width() const {
  const int columns = width_of(m_err_fd);
  return columns > 0 ? columns : k_usual_columns;
}

void Terminal::disable_color() {
  m_out_color = false;
  m_err_color = false;
}

std::string Terminal::paint(bool color, Style style, std::string_view text) {
  if (!color || style == Style::plain) return std::string(text);
  std::string painted(style_code(style));
  painted += text;
  painted += "\x1b[0m";
  return painted;
}

std::string Terminal::ask(std::string_view question, std::size_t max_bytes, Echo echo) {
  HiddenInput hidden(echo == Echo::hidden ? m_in_fd : -1); // before the question: it drops what was typed
  err(question);
  std::string answer;
  char letter = 0;
  while (answer.size() < max_bytes) {
    const HiddenInput::Wake wake = hidden.wait();
    if (wake != HiddenInput::Wake::key) answer.clear();
    if (wake == HiddenInput::Wake::interrupted) break;
    if (wake == HiddenInput::Wake::resumed) {
      err(question);
      continue;
    }
    const ssize_t got = ::read(m_in_fd, &letter, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || letter == '\n') break;
    answer += letter;
  }
  if (echo == Echo::hidden) err("\n");
  return answer;
}

bool Terminal::confirm(std::string_view question) {
  const std::string word = lower_ascii(trim(ask(question, 64)));
  return word == "y" || word == "yes";
}

} // namespace mrun::cli
