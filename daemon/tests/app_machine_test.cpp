#include <doctest/doctest.h>

#include <fstream>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/app/instance.h"
#include "daemon/app/machine.h"
#include "daemon/tests/state_fixture.h"

using namespace mrun;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

HomePaths home_in(const fs::path& folder) {
  HomePaths home;
  home.state = folder / "state";
  home.socket = folder / "run.sock";
  fs::create_directories(home.state);
  return home;
}

} // namespace

TEST_CASE("LibTorch is looked for in the stated order") {
  const mrun::testing::TempFolder folder;
  ::unsetenv("MRUN_TORCH_DIR");
  ::setenv("XDG_CACHE_HOME", (folder.path() / "cache").c_str(), 1);
  const InstallPaths install{folder.path() / "prefix"};
  CHECK(find_torch(install, "").empty());
  const fs::path developed = folder.path() / "cache/mrun-dev/python/lib/python3.11/site-packages/torch";
  write(developed / "lib/libtorch_cpu.so", "");
  CHECK(find_torch(install, "") == developed);
  write(install.prefix / "lib/mrun/torch/lib/libtorch_cpu.so", "");
  CHECK(find_torch(install, "") == install.prefix / "lib/mrun/torch");
  CHECK(find_torch(install, "/configured") == "/configured");
  ::setenv("MRUN_TORCH_DIR", "/named", 1);
  CHECK(find_torch(install, "/configured") == "/named");
  ::unsetenv("MRUN_TORCH_DIR");
  ::unsetenv("XDG_CACHE_HOME");
}

TEST_CASE("one daemon a home: the second is told the first one's process") {
  const mrun::testing::TempFolder folder;
  const HomePaths home = home_in(folder.path());
  {
    const Result<UniqueFd> first = take_instance_lock(home);
    REQUIRE(first);
    const Result<UniqueFd> second = take_instance_lock(home);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::daemon_running);
    CHECK(second.error().message.find(std::to_string(::getpid())) != std::string::npos);
  }
  CHECK(take_instance_lock(home));
}

TEST_CASE("the socket is private, replaces a stale one, and nothing but a socket") {
  const mrun::testing::TempFolder folder;
  HomePaths home = home_in(folder.path());
  const UniqueFd lock = take_instance_lock(home).value();
  { REQUIRE(listen_on_socket(home, lock.get())); } // the file stays: a stale socket
  REQUIRE(fs::exists(home.socket));
  const Result<UniqueFd> socket = listen_on_socket(home, lock.get());
  REQUIRE(socket);
  struct stat status {};
  REQUIRE(::stat(home.socket.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK((::fcntl(socket->get(), F_GETFD) & FD_CLOEXEC) != 0);

  // One that is answered is another home's: left alone.
  const fs::path usual = home.socket;
  CHECK(listen_on_socket(home, lock.get()).error().code == ErrorCode::daemon_running);
  home.spare_socket = usual.parent_path() / "spare.sock";
  REQUIRE(listen_on_socket(home, lock.get()));
  CHECK(home.socket == home.spare_socket);
  CHECK(read_file(home.daemon_lock().string(), 1000, ErrorCode::io, ErrorCode::io).value() ==
        std::to_string(::getpid()) + "\n" + home.socket.string() + "\n");
  home.socket = usual;
  home.spare_socket.clear();

  fs::remove(home.socket);
  write(home.socket, "precious");
  const Result<UniqueFd> refused = listen_on_socket(home, lock.get());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::daemon_start);
  CHECK(fs::exists(home.socket));

  HomePaths deep = home;
  deep.socket = folder.path() / std::string(200, 'x');
  CHECK(listen_on_socket(deep, lock.get()).error().code == ErrorCode::home_refused);
}
