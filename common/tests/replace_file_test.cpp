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

TEST_CASE("a file that its owner placed keeps its links, mode and owner") {
  Folder folder;
  fs::create_directory(folder.path / "dotfiles");
  const fs::path real = folder.path / "dotfiles/config.yaml";
  const fs::path link = folder.path / "config.yaml";
  const auto mode_of = [](const fs::path& path) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
  };
  std::ofstream(real) << "old";
  REQUIRE(::chmod(real.c_str(), 0640) == 0);
  fs::create_symlink("dotfiles/between.yaml", link);
  fs::create_symlink(real, folder.path / "dotfiles/between.yaml");
  REQUIRE(replace_kept_file(link, "new", ErrorCode::io));
  CHECK(fs::is_symlink(link));
  CHECK(read_file(real.string(), 100, ErrorCode::io, ErrorCode::io).value() == "new");
  CHECK(mode_of(real) == 0640);
  CHECK(std::distance(fs::directory_iterator(folder.path / "dotfiles"), fs::directory_iterator()) == 2);
  if (::geteuid() == 0) {
    REQUIRE(::chown(real.c_str(), 12345, 54321) == 0);
    REQUIRE(::chmod(real.c_str(), 04640) == 0);
    REQUIRE(replace_kept_file(link, "newer", ErrorCode::io));
    struct stat status {};
    REQUIRE(::stat(real.c_str(), &status) == 0);
    CHECK((status.st_uid == 12345 && status.st_gid == 54321));
    CHECK(mode_of(real) == 04640);
  }
  // A link to nothing yet: what it leads to comes to be. Links in a circle are an error.
  fs::create_symlink("dotfiles/later.yaml", folder.path / "later.yaml");
  REQUIRE(replace_kept_file(folder.path / "later.yaml", "x", ErrorCode::io));
  CHECK(fs::is_regular_file(folder.path / "dotfiles/later.yaml"));
  fs::create_symlink("b", folder.path / "a");
  fs::create_symlink("a", folder.path / "b");
  CHECK(replace_kept_file(folder.path / "a", "x", ErrorCode::io).error().code == ErrorCode::io);
  CHECK(fs::is_symlink(folder.path / "a"));
}

TEST_CASE("a new file may be read by whom its folder lets in") {
  Folder folder;
  for (const mode_t mode : {0700U, 0755U, 0750U}) {
    const fs::path place = folder.path / std::to_string(mode);
    fs::create_directory(place);
    REQUIRE(::chmod(place.c_str(), mode) == 0);
    const mode_t mask = ::umask(0);
    REQUIRE(replace_kept_file(place / "config.yaml", "x", ErrorCode::io));
    ::umask(mask);
    struct stat status {};
    REQUIRE(::stat((place / "config.yaml").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == (mode & 0666));
  }
}
