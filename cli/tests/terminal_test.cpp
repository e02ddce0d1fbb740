// The terminal as a user's pseudo-terminal sees it.
#include <doctest/doctest.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/client/interrupt.h"
#include "cli/terminal.h"
#include "common/fd.h"

using namespace mrun;
using mrun::cli::Style;
using mrun::cli::Terminal;

namespace {

struct Pty {
  UniqueFd primary{::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
  UniqueFd secondary;

  Pty() {
    REQUIRE(::grantpt(primary.get()) == 0);
    REQUIRE(::unlockpt(primary.get()) == 0);
    std::array<char, 128> name{};
    REQUIRE(::ptsname_r(primary.get(), name.data(), name.size()) == 0);
    secondary.reset(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    REQUIRE(secondary);
    REQUIRE(set_nonblocking(primary.get()));
  }
  void type(std::string_view keys) const { REQUIRE(write_all(primary.get(), keys, "keys")); }
  // All that stands on it, with the line discipline's "\r\n".
  std::string shown() const {
    std::string text;
    std::array<char, 4096> buffer{};
    ssize_t got = 0;
    while ((got = ::read(primary.get(), buffer.data(), buffer.size())) > 0)
      text.append(buffer.data(), static_cast<std::size_t>(got));
    return text;
  }
};

using Environment = std::map<std::string, std::string>;

// Variables of the environment that say how to show things, as a test wants them, and back.
class Look {
 public:
  explicit Look(const Environment& values) {
    for (const char* name : {"TERM", "CI", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"}) {
      const char* before = std::getenv(name);
      if (before != nullptr) m_before[name] = before;
      ::unsetenv(name);
    }
    for (const auto& [name, value] : values)
      ::setenv(name.c_str(), value.c_str(), 1);
  }
  Look(const Look&) = delete;
  Look& operator=(const Look&) = delete;
  ~Look() {
    for (const char* name : {"TERM", "CI", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"})
      ::unsetenv(name);
    for (const auto& [name, value] : m_before)
      ::setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  Environment m_before;
};

} // namespace

TEST_CASE("a status line is replaced by the next and gone before anything else") {
  const Look look(Environment{{"TERM", "xterm"}});
  const Pty pty;
  Terminal terminal(pty.secondary.get(), pty.secondary.get(), pty.secondary.get());
  terminal.status("1 of 2");
  terminal.status("2 of 2");
  CHECK(pty.shown() == "\r\x1b[K1 of 2\r\x1b[K2 of 2");
  REQUIRE(terminal.out("done\n"));
  CHECK(pty.shown() == "\r\x1b[Kdone\r\n");
  terminal.clear_status();
  terminal.err("error\n");
  CHECK(pty.shown() == "error\r\n");
}

TEST_CASE("a status line never wraps: it is cut to the terminal, and colours end") {
  const Look look(Environment{{"TERM", "xterm"}});
  const Pty pty;
  const winsize size{.ws_row = 24, .ws_col = 10, .ws_xpixel = 0, .ws_ypixel = 0};
  REQUIRE(::ioctl(pty.secondary.get(), TIOCSWINSZ, &size) == 0);
  Terminal terminal(pty.secondary.get(), pty.secondary.get(), pty.secondary.get());
  terminal.status("123456789");
  terminal.status("1234567890");
  terminal.status("\x1b[1mmodèle·模型\x1b[0m");
  CHECK(pty.shown() == "\r\x1b[K123456789\r\x1b[K12345678…\r\x1b[K\x1b[1mmodèle·…\x1b[0m");
}

TEST_CASE("no line is rewritten where the cursor can't move or nobody looks") {
  const Pty pty;
  for (const Environment& values : {Environment{{"TERM", "dumb"}}, {{"TERM", "xterm"}, {"CI", "true"}}}) {
    const Look look(values);
    Terminal terminal(pty.secondary.get(), pty.secondary.get(), pty.secondary.get());
    CHECK_FALSE(terminal.err_can_move());
    CHECK_FALSE(terminal.out_can_move());
    terminal.status("1 of 2");
    terminal.err("done\n");
    CHECK(pty.shown() == "done\r\n");
  }
  const Look look(Environment{{"TERM", "xterm"}});
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  CHECK_FALSE(Terminal(0, pty.secondary.get(), null.get()).err_can_move());
  CHECK(Terminal(0, null.get(), pty.secondary.get()).err_can_move());
}

TEST_CASE("colours are for terminals, each stream by itself, as the environment wants them") {
  const Pty pty;
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const struct {
    Environment environment;
    bool on_terminal, elsewhere;
  } cases[] = {
      {{{"TERM", "xterm"}}, true, false},
      {{}, true, false},
      {{{"TERM", "dumb"}}, false, false},
      {{{"TERM", "xterm"}, {"NO_COLOR", "1"}}, false, false},
      {{{"TERM", "xterm"}, {"NO_COLOR", ""}}, true, false},
      {{{"TERM", "xterm"}, {"CLICOLOR", "0"}}, false, false},
      {{{"TERM", "xterm"}, {"CLICOLOR", "1"}}, true, false},
      {{{"TERM", "xterm"}, {"CLICOLOR_FORCE", "1"}}, true, true},
      {{{"TERM", "dumb"}, {"CLICOLOR_FORCE", "1"}}, true, true},
      {{{"TERM", "xterm"}, {"CLICOLOR_FORCE", "0"}}, true, false},
      {{{"TERM", "xterm"}, {"CLICOLOR_FORCE", "1"}, {"CLICOLOR", "0"}}, true, true},
      {{{"TERM", "xterm"}, {"CLICOLOR_FORCE", "1"}, {"NO_COLOR", "1"}}, false, false},
      {{{"TERM", "xterm"}, {"CI", "true"}}, false, false},
      {{{"TERM", "xterm"}, {"CI", "true"}, {"CLICOLOR_FORCE", "1"}}, true, true},
  };
  const std::string red = "\x1b[1;31mx\x1b[0m";
  for (const auto& one : cases) {
    const Look look(one.environment);
    CAPTURE(one.environment);
    const Terminal terminal(0, pty.secondary.get(), null.get());
    const Terminal other(0, null.get(), pty.secondary.get());
    CHECK(terminal.paint_out(Style::error, "x") == (one.on_terminal ? red : "x"));
    CHECK(terminal.paint_err(Style::error, "x") == (one.elsewhere ? red : "x"));
    CHECK(other.paint_err(Style::error, "x") == (one.on_terminal ? red : "x"));
    CHECK(other.paint_out(Style::error, "x") == (one.elsewhere ? red : "x"));
    CHECK(terminal.paint_out(Style::plain, "x") == "x");
    Terminal none(0, pty.secondary.get(), pty.secondary.get());
    none.disable_color();
    CHECK(none.paint_out(Style::error, "x") + none.paint_err(Style::good, "y") == "xy");
  }
}

TEST_CASE("a question reads one line") {
  const Pty pty;
  Terminal terminal(pty.secondary.get(), pty.secondary.get(), pty.secondary.get());
  pty.type("me\ny\nmaybe\n");
  CHECK(terminal.ask("user: ", 64) == "me");
  CHECK(terminal.confirm("sure? "));
  CHECK_FALSE(terminal.confirm("sure? "));
  std::string shown = pty.shown(); // the echo of the keys stands where the kernel got round to it
  for (const std::string_view keys : {"me\r\n", "y\r\n", "maybe\r\n"})
    shown.replace(shown.find(keys), keys.size(), "");
  CHECK(shown == "user: sure? sure? ");
}

TEST_CASE("a secret is typed unseen, and keys are shown again after it") {
  const Pty pty;
  Terminal terminal(pty.secondary.get(), pty.secondary.get(), pty.secondary.get());
  std::string shown;
  std::thread user([&] {
    while (shown.empty()) { // the question stands, so the keys are hidden
      pollfd ready{pty.primary.get(), POLLIN, 0};
      ::poll(&ready, 1, -1);
      shown += pty.shown();
    }
    pty.type("s3cret\n");
  });
  CHECK(terminal.ask("secret: ", 64, Terminal::Echo::hidden) == "s3cret");
  user.join();
  CHECK(shown + pty.shown() == "secret: \r\n");
  pty.type("me\n");
  CHECK(terminal.ask("user: ", 64) == "me");
  CHECK(pty.shown().find("me\r\n") != std::string::npos);
}

TEST_CASE("a signal that a handler takes ends a hidden question, and keys are shown again") {
  const Pty pty;
  Terminal terminal(pty.secondary.get(), pty.secondary.get(), pty.secondary.get());
  const auto guard = cli::InterruptGuard::install();
  REQUIRE(guard);
  const pthread_t asking = ::pthread_self();
  std::thread user([&] {
    pollfd ready{pty.primary.get(), POLLIN, 0};
    ::poll(&ready, 1, -1); // the question stands
    pty.type("s3c");
    ::pthread_kill(asking, SIGINT);
  });
  CHECK(terminal.ask("secret: ", 64, Terminal::Echo::hidden).empty());
  user.join();
  CHECK(guard->exit_code() == 130);
  termios state{};
  REQUIRE(::tcgetattr(pty.secondary.get(), &state) == 0);
  CHECK((state.c_lflag & ECHO) != 0);
  sigset_t blocked{};
  ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  CHECK(::sigismember(&blocked, SIGINT) == 0);
}

TEST_CASE("the end of input is no") {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  Terminal terminal(null.get(), null.get(), null.get());
  CHECK(terminal.ask("secret: ", 64, Terminal::Echo::hidden).empty());
  CHECK_FALSE(terminal.confirm("sure? "));
}
