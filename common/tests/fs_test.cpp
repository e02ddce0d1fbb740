#include <doctest/doctest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "common/fs.h"

using namespace mrun;

namespace {

struct Folder {
  Folder() {
    char pattern[] = "/tmp/mrun-fs-XXXXXX";
    path = ::mkdtemp(pattern);
    fd = UniqueFd(::open(path.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
  UniqueFd fd;
};

} // namespace

TEST_CASE("files are written, renamed and listed below a folder") {
  Folder folder;
  FileSystem& fs = real_file_system();
  UniqueFd a = fs.open(folder.fd.get(), "a", O_CREAT | O_RDWR | O_EXCL, 0600).value();
  CHECK(fs.write(a.get(), "hello world"));
  CHECK(fs.sync(a.get()));
  UniqueFd b = fs.open(folder.fd.get(), "b", O_CREAT | O_RDWR | O_EXCL, 0600).value();
  CHECK(fs.write(b.get(), "world"));
  CHECK(fs.rename(folder.fd.get(), "b", "c"));
  CHECK(read_file(folder.path / "c", 100, ErrorCode::io, ErrorCode::io).value() == "world");
  CHECK(fs.list(folder.fd.get()).value().size() == 2);
  CHECK(fs.unlink(folder.fd.get(), "never there"));
}

TEST_CASE("a path cannot leave the folder, by dots or by links") {
  Folder folder;
  FileSystem& fs = real_file_system();
  CHECK(::symlinkat("/etc/passwd", folder.fd.get(), "link") == 0);
  CHECK_FALSE(fs.open(folder.fd.get(), "../x", O_RDONLY, 0));
  CHECK_FALSE(fs.open(folder.fd.get(), "/etc/passwd", O_RDONLY, 0));
  CHECK_FALSE(fs.open(folder.fd.get(), "link", O_RDONLY, 0));
}

TEST_CASE("the failing seam fails exactly the call it was told to") {
  Folder folder;
  FailingFileSystem fs(real_file_system(), 2, ENOSPC, false);
  CHECK(fs.make_dir(folder.fd.get(), "x", 0700));
  CHECK(fs.make_dir(folder.fd.get(), "y", 0700).error().code == ErrorCode::disk_full);
  CHECK(fs.make_dir(folder.fd.get(), "y", 0700));
  CHECK(fs.calls() == 3);
}

TEST_CASE("a sealed memory file can't be changed and a mapping sees its bytes at any offset") {
  const UniqueFd fd = sealed_memfd("t", std::string(5000, 'a') + "tail").value();
  CHECK(::write(fd.get(), "x", 1) < 0);
  CHECK(::ftruncate(fd.get(), 1) < 0);
  CHECK(Mapping::map(fd.get(), 5000, 4).value().text() == "tail");
  CHECK(Mapping::map(fd.get(), 0, 0).value().bytes().empty());
  CHECK(read_all(fd.get(), 100, "it", ErrorCode::request_too_large).error().code ==
        ErrorCode::request_too_large);
}
