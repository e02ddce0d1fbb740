#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/replace_file.h"

using namespace mrun;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() {
    char pattern[] = "/tmp/mrun-replace-XXXXXX";
    path = ::mkdtemp(pattern);
  }
  ~Folder() { fs::remove_all(path); }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
  fs::path path;
};

Result<void> replace(const fs::path& path, std::string_view bytes) {
  return replace_file(path, bytes, 0600, Durable::no, ErrorCode::io);
}

} // namespace

TEST_CASE("a file is replaced whole, and nothing else stays") {
  Folder folder;
  const fs::path path = folder.path / "notes.json";
  REQUIRE(replace(path, "one"));
  REQUIRE(replace(path, "two"));
  CHECK(read_file(path.string(), 100, ErrorCode::io, ErrorCode::io).value() == "two");
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(folder.files() == 1);
  fs::create_directory(folder.path / "folder");
  CHECK(replace(folder.path / "folder", "no").error().code == ErrorCode::io); // a folder can't be replaced
  CHECK(folder.files() == 2);
}

TEST_CASE("what a killed process left goes an hour later, and what another one writes now stays") {
  Folder folder;
  const auto leave = [&](const char* name, std::chrono::minutes age) {
    std::ofstream(folder.path / name) << "half";
    fs::last_write_time(folder.path / name, fs::file_time_type::clock::now() - age);
  };
  leave("notes.json.mrun-0123456789abcdef", std::chrono::minutes(61));
  leave("notes.json.mrun-fedcba9876543210", std::chrono::minutes(59));
  leave("other.json.mrun-0123456789abcdef", std::chrono::minutes(61));
  leave("notes.json.bak", std::chrono::minutes(61));
  REQUIRE(replace(folder.path / "notes.json", "new"));
  CHECK_FALSE(fs::exists(folder.path / "notes.json.mrun-0123456789abcdef"));
  CHECK(folder.files() == 4);
}
