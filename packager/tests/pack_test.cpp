#include <doctest/doctest.h>

#include <clocale>
#include <cstring>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "packager/tests/support_store.h"

using namespace mrun;
using namespace mrun::testing;
namespace fs = std::filesystem;

namespace {

Error refused(const Folder& folder, const PackOptions& options = {}) {
  Store store = Store::open(folder.path / "store").value();
  const Result<PackResult> packed = pack_directory(store, folder.path / "model", options);
  REQUIRE_FALSE(packed);
  CHECK(store.list().value().empty());
  CHECK(count_files(folder.path / "store/tmp") == 0);
  return packed.error();
}

// The digest of the small model packed from a folder that this function fills.
Digest digest_of(const std::function<void(const Folder&)>& fill) {
  Folder folder;
  fill(folder);
  Store store = Store::open(folder.path / "store").value();
  return pack_directory(store, folder.path / "model", {}).value().digest;
}

} // namespace

TEST_CASE("the digest does not depend on umask, locale, order of creation, times or modes that say nothing") {
  const Digest plain = digest_of(write_small_model);
  const mode_t old_mask = ::umask(0077);
  CHECK(digest_of(write_small_model) == plain);
  ::umask(0002);
  CHECK(digest_of(write_small_model) == plain);
  ::umask(old_mask);
  ::setenv("LC_ALL", "tr_TR.UTF-8", 1);
  std::setlocale(LC_ALL, "");
  CHECK(digest_of(write_small_model) == plain);
  ::unsetenv("LC_ALL");
  std::setlocale(LC_ALL, "C");
  CHECK(digest_of([](const Folder& folder) {
          folder.write("model/a.txt", "a\n");
          folder.write("model/not-listed.bin", "ignored");
          folder.write("model/model.bin", std::string(5000, 'w'));
          folder.write("model/mrun.yaml", k_small_manifest);
        }) == plain);
  CHECK(digest_of([](const Folder& folder) {
          write_small_model(folder);
          fs::last_write_time(folder.path / "model/a.txt",
                              fs::file_time_type::clock::now() - std::chrono::hours(9999));
          ::chmod((folder.path / "model/a.txt").c_str(), 0600);
          ::chmod((folder.path / "model/model.bin").c_str(), 0666);
        }) == plain);
  const Digest executable = digest_of([](const Folder& folder) {
    write_small_model(folder);
    ::chmod((folder.path / "model/a.txt").c_str(), 0700);
  });
  CHECK(executable != plain);
}

TEST_CASE("blobs are read-only files whatever the umask, and the layout is OCI's") {
  Folder folder;
  write_small_model(folder);
  const mode_t old_mask = ::umask(0077);
  Store store = Store::open(folder.path / "store").value();
  const PackResult packed = pack_directory(store, folder.path / "model", {}).value();
  ::umask(old_mask);
  for (const auto& entry : fs::directory_iterator(folder.path / "store/blobs/sha256")) {
    struct stat status {};
    REQUIRE(::stat(entry.path().c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0444);
    CHECK(status.st_nlink == 1);
  }
  CHECK(folder.read("store/oci-layout") == R"({"imageLayoutVersion":"1.0.0"})");
  const Json index = Json::parse(folder.read("store/index.json"));
  CHECK(index["schemaVersion"] == 2);
  CHECK(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] == "demo/small:latest");
  CHECK(index["manifests"][0]["digest"] == packed.digest.text());
  CHECK(index["manifests"][0]["size"] ==
        fs::file_size(folder.path / "store/blobs/sha256" / packed.digest.hex()));
}

TEST_CASE("links, pipes, sockets and missing files are refused by name, and nothing is stored") {
  Folder folder;
  CHECK(refused(folder).code == ErrorCode::manifest_missing);
  write_small_model(folder);
  fs::create_symlink("a.txt", folder.path / "model/link.txt");
  CHECK(refused(folder).message == "link.txt is a symbolic link, only regular files are packed");
  CHECK(refused(folder).code == ErrorCode::pack_file_refused);
  fs::remove(folder.path / "model/link.txt");
  REQUIRE(::mkfifo((folder.path / "model/pipe.txt").c_str(), 0600) == 0);
  CHECK(refused(folder).message == "pipe.txt is a pipe, only regular files are packed");
  fs::remove(folder.path / "model/pipe.txt");
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (folder.path / "model/s.txt").string().copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  CHECK(refused(folder).message == "s.txt is a socket, only regular files are packed");
  ::close(fd);
  fs::remove(folder.path / "model/s.txt");
  fs::remove(folder.path / "model/model.bin");
  CHECK(refused(folder).message == "the file model.bin is not there");
  CHECK(refused(folder).code == ErrorCode::pack_file_missing);
  fs::create_directory(folder.path / "model/model.bin");
  CHECK(refused(folder).hint == "write model.bin/** for all that is in it");
  fs::remove(folder.path / "model/model.bin");
  folder.write("model/model.bin", "x");
  folder.write("model/A.TXT", "x");
  folder.write("model/mrun.yaml", std::string(k_small_manifest) + "\n");
  fs::remove(folder.path / "model/a.txt");
  CHECK(refused(folder).message == "`files:` has *.txt, which matches no file");
  fs::remove(folder.path / "model/mrun.yaml");
  fs::create_symlink("/etc/passwd", folder.path / "model/mrun.yaml");
  CHECK(refused(folder).code == ErrorCode::pack_file_refused);
}

TEST_CASE("a file that is yet to be made comes with the way to make it") {
  Folder folder;
  write_small_model(folder);
  fs::remove(folder.path / "model/model.bin");
  CHECK(refused(folder).hint == "check `files:` and `model:`");
  folder.write("model/CMakeLists.txt", "");
  CHECK(refused(folder).hint == "build it first: run `cmake -S . -B build && cmake --build build` there");
  folder.write("model/export.py", "");
  CHECK(refused(folder).hint == "make it first: run `python3 export.py` there");
  folder.write("model/README.md", "");
  CHECK(refused(folder).hint ==
        "make it first: run `python3 export.py` there (README.md says what it needs)");
  CHECK(refused(folder).code == ErrorCode::pack_file_missing);
}

TEST_CASE("a manifest under another name is named") {
  for (const std::string name : {"mrun.yml", "mrun.yaml.txt"}) {
    Folder folder;
    folder.write("model/" + name, k_small_manifest);
    const Error error = refused(folder);
    CHECK(error.code == ErrorCode::manifest_missing);
    CHECK(error.message == "there is no mrun.yaml in " + (folder.path / "model").string() + ", but " + name);
    CHECK(error.hint == "rename " + name + " to mrun.yaml");
  }
}

TEST_CASE("a linked folder, names that differ in case and unsafe names are refused") {
  Folder folder;
  write_small_model(folder);
  std::string manifest(k_small_manifest);
  manifest.replace(manifest.find("\"*.txt\""), 7, "\"**\"");
  folder.write("model/mrun.yaml", manifest);
  fs::create_directory_symlink("/etc", folder.path / "model/etc");
  CHECK(refused(folder).message == "etc is a symbolic link, only regular files are packed");
  fs::remove(folder.path / "model/etc");
  folder.write("model/A.txt", "x");
  CHECK(refused(folder).code == ErrorCode::path_refused);
  fs::remove(folder.path / "model/A.txt");
  folder.write("model/bad\nname", "x");
  CHECK(refused(folder).code == ErrorCode::path_refused);
  fs::remove(folder.path / "model/bad\nname");
  folder.write("model/bad\xffname", "x");
  CHECK(refused(folder).code == ErrorCode::path_refused);
  fs::remove(folder.path / "model/bad\xffname");
  folder.write("model/.hidden/x", "x");
  folder.write("model/deep/er/x", "x");
  Store store = Store::open(folder.path / "store").value();
  const Digest digest = pack_directory(store, folder.path / "model", {}).value().digest;
  const Bundle bundle = store.load(digest).value();
  CHECK(bundle.find("deep/er/x") != nullptr);
  CHECK(bundle.find(".hidden/x") == nullptr);
}

TEST_CASE("a file that changes while it is packed is noticed") {
  Folder folder;
  write_small_model(folder);
  folder.write("model/model.bin", std::string(3 << 20, 'w'));
  PackOptions options;
  bool changed = false;
  options.on_progress = [&](const PackProgress& progress) {
    if (progress.path != "model.bin" || changed) return;
    changed = true;
    std::ofstream(folder.path / "model/model.bin", std::ios::app) << "more";
  };
  CHECK(refused(folder, options).code == ErrorCode::pack_file_changed);
  CHECK(changed);
  changed = false;
  options.on_progress = [&](const PackProgress& progress) {
    if (progress.path != "model.bin" || changed) return;
    changed = true;
    fs::resize_file(folder.path / "model/model.bin", 10);
  };
  folder.write("model/model.bin", std::string(3 << 20, 'w'));
  CHECK(refused(folder, options).code == ErrorCode::pack_file_changed);
}

TEST_CASE("progress counts the bytes of all files up to the whole") {
  Folder folder;
  write_small_model(folder);
  Store store = Store::open(folder.path / "store").value();
  PackOptions options;
  PackProgress last;
  options.on_progress = [&](const PackProgress& progress) {
    CHECK(progress.done_bytes >= last.done_bytes);
    last = progress;
  };
  const PackResult packed = pack_directory(store, folder.path / "model", options).value();
  CHECK(last.done_bytes == last.total_bytes);
  CHECK(last.total_bytes == packed.size_bytes);
}
