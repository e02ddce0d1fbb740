#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include <sys/stat.h>

#include "common/paths.h"

using namespace mrun;

TEST_CASE("MRUN_HOME moves everything, XDG applies without it, and relative XDG values are ignored") {
  ::setenv("MRUN_HOME", "/x/home", 1);
  HomePaths paths = HomePaths::from_environment().value();
  CHECK(paths.data == "/x/home/data");
  CHECK(paths.socket == "/x/home/run/mrun.sock");
  ::unsetenv("MRUN_HOME");
  ::setenv("HOME", "/h", 1);
  ::setenv("XDG_DATA_HOME", "/d", 1);
  ::setenv("XDG_STATE_HOME", "relative", 1);
  ::setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
  paths = HomePaths::from_environment().value();
  CHECK(paths.data == "/d/mrun");
  CHECK(paths.state == "/h/.local/state/mrun");
  CHECK(paths.socket == "/run/user/7/mrun.sock");
}

TEST_CASE("a socket path that the kernel would refuse becomes a short one, the same each time") {
  ::setenv("MRUN_HOME", ("/" + std::string(150, 'x')).c_str(), 1);
  const HomePaths first = HomePaths::from_environment().value();
  CHECK(first.socket.string().size() < 100);
  CHECK(first.socket == HomePaths::from_environment().value().socket);
  ::unsetenv("MRUN_HOME");
}

TEST_CASE("folders are made private, and one that others can write to is refused") {
  char pattern[] = "/tmp/mrun-paths-XXXXXX";
  const std::string root = ::mkdtemp(pattern);
  ::setenv("MRUN_HOME", root.c_str(), 1);
  const HomePaths paths = HomePaths::from_environment().value();
  CHECK(paths.create());
  CHECK(paths.create());
  ::chmod(paths.data.c_str(), 0777);
  CHECK(paths.create().error().code == ErrorCode::home_refused);
  ::unsetenv("MRUN_HOME");
  std::filesystem::remove_all(root);
}
