#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/engines/process/scratch.h"

using namespace mrun;
using namespace mrun::process;
namespace fs = std::filesystem;

namespace {

struct Cache {
  fs::path folder;
  UniqueFd fd;
  Cache() {
    std::string name = (fs::temp_directory_path() / "mrun-scratch-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    fd = UniqueFd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~Cache() { fs::remove_all(folder); }
};

std::string refusal(const Scratch& scratch, const std::string& path) {
  std::uint64_t size = 0;
  const auto file = scratch.open(1, path, size);
  REQUIRE_MESSAGE(!file, path);
  return file.error().message;
}

} // namespace

TEST_CASE("inputs are put there with their extension, outputs are read from there") {
  const Cache cache;
  auto scratch = Scratch::make(cache.fd.get());
  REQUIRE(scratch);
  const auto folder = scratch->begin(1);
  REQUIRE(folder);
  CHECK(*scratch->put(1, "image", "cat.JPG", "pixels") == *folder + "/in-image.JPG");
  CHECK(*scratch->put(1, "list.0", "../../etc/x.p/ng", "a") == *folder + "/in-list.0");
  CHECK(*scratch->put(1, "plain", ".hidden", "") == *folder + "/in-plain");
  std::ofstream(fs::path(*folder) / "out.txt") << "result";
  std::uint64_t size = 0;
  CHECK(scratch->open(1, "out.txt", size));
  CHECK(size == 6);
  CHECK(scratch->open(1, *folder + "/out.txt", size));
  scratch->end(1);
  CHECK_FALSE(fs::exists(*folder));
}

TEST_CASE("a program can't give what is not its own") {
  const Cache cache;
  auto scratch = Scratch::make(cache.fd.get());
  const fs::path folder = *scratch->begin(1);
  const fs::path other = *scratch->begin(2);
  std::ofstream(other / "secret") << "x";
  fs::create_symlink("/etc/passwd", folder / "link");
  fs::create_directory(folder / "sub");
  fs::create_directory_symlink("/etc", folder / "etc");
  ::mkfifo((folder / "pipe").c_str(), 0600);
  for (const char* path : {"link", "/etc/passwd", "../2/secret", "etc/passwd", "nothing", ""})
    CHECK(refusal(*scratch, path).find("can't be opened there") != std::string::npos);
  CHECK(refusal(*scratch, "sub").find("is no file") != std::string::npos);
  CHECK(refusal(*scratch, "pipe").find("is no file") != std::string::npos);
}

TEST_CASE("workers that start together leave each other's new folders alone") {
  const Cache cache; // its descriptor is inherited, as a worker's may be
  pid_t workers[4];
  for (pid_t& worker : workers) {
    worker = ::fork();
    if (worker != 0) continue;
    for (int i = 0; i < 200; ++i) {
      const auto scratch = Scratch::make(cache.fd.get());
      if (!scratch || !fs::exists(scratch->path())) ::_exit(1);
    }
    ::_exit(0);
  }
  for (const pid_t worker : workers) {
    REQUIRE(worker > 0);
    int status = 0;
    REQUIRE(::waitpid(worker, &status, 0) == worker);
    CHECK(status == 0);
  }
  CHECK(fs::is_empty(cache.folder));
}

TEST_CASE("it goes with its owner, and what nobody holds any more at the next start") {
  const Cache cache;
  fs::create_directories(cache.folder / "scratch-1/7");
  fs::create_directories(cache.folder / "program");
  std::string path;
  {
    auto scratch = Scratch::make(cache.fd.get());
    path = scratch->path();
    CHECK(fs::exists(path));
    CHECK_FALSE(fs::exists(cache.folder / "scratch-1"));
    CHECK(fs::exists(cache.folder / "program"));
  }
  CHECK_FALSE(fs::exists(path));
}
