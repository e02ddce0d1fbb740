// The terminal as a user's pseudo-terminal sees it.
#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <string>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "cli/terminal.h"
#include "common/fd.h"

using namespace mrun;
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

} // namespace

TEST_CASE("a status line is replaced by the next and gone before anything else") {
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

TEST_CASE("the end of input is no") {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  Terminal terminal(null.get(), null.get(), null.get());
  CHECK(terminal.ask("secret: ", 64, Terminal::Echo::hidden).empty());
  CHECK_FALSE(terminal.confirm("sure? "));
}
