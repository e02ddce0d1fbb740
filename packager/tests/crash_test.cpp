// The store after every possible failure of a file operation, and after kill -9 before and after each of
// them.
#include <doctest/doctest.h>

#include <cerrno>

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include "packager/tests/support_store.h"

using namespace mrun;
using namespace mrun::testing;
namespace fs = std::filesystem;

namespace {

// Kills the process at the n-th operation: before it (2n-1) or after it (2n).
class KillingFileSystem : public FileSystem {
 public:
  explicit KillingFileSystem(int moment) : m_moment(moment) {}
  int moments() const { return m_seen; }

  Result<UniqueFd> open(int dir_fd, const std::string& path, int flags, unsigned mode) override {
    return around([&] { return m_inner.open(dir_fd, path, flags, mode); });
  }
  Result<void> make_dir(int dir_fd, const std::string& path, unsigned mode) override {
    return around([&] { return m_inner.make_dir(dir_fd, path, mode); });
  }
  Result<void> write(int fd, std::string_view bytes) override {
    const auto half = [&]() -> Result<void> { // a write may end in the middle
      MRUN_TRY(m_inner.write(fd, bytes.substr(0, bytes.size() / 2)));
      moment();
      return m_inner.write(fd, bytes.substr(bytes.size() / 2));
    };
    return around(half);
  }
  Result<void> sync(int fd) override {
    return around([&] { return m_inner.sync(fd); });
  }
  Result<void> rename(int dir_fd, const std::string& from, const std::string& to) override {
    return around([&] { return m_inner.rename(dir_fd, from, to); });
  }
  Result<void> link(int from_dir, const std::string& from, int to_dir, const std::string& to) override {
    return around([&] { return m_inner.link(from_dir, from, to_dir, to); });
  }
  Result<void> unlink(int dir_fd, const std::string& path) override {
    return around([&] { return m_inner.unlink(dir_fd, path); });
  }
  Result<std::vector<std::string>> list(int dir_fd) override {
    return around([&] { return m_inner.list(dir_fd); });
  }

 private:
  template<class Call>
  auto around(const Call& call) -> decltype(call()) {
    moment();
    auto result = call();
    moment();
    return result;
  }
  void moment() {
    if (++m_seen == m_moment) ::kill(::getpid(), SIGKILL);
  }

  FileSystem& m_inner = real_file_system();
  int m_moment;
  int m_seen = 0;
};

// Thousands of fsyncs: in memory where there is such a file system.
std::string memory_folder() {
  return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

// What is tried: open the store, pack, retag, untag, collect. Stops at the first error.
Result<void> live_a_little(const Folder& folder, FileSystem& file_system) {
  MRUN_ASSIGN(Store store, Store::open(folder.path / "store", false, file_system));
  MRUN_ASSIGN(const PackResult packed, pack_directory(store, folder.path / "model", {}));
  MRUN_TRY(store.tag(reference("demo/second:v1"), packed.digest));
  PackOptions untagged;
  untagged.untagged = true;
  MRUN_ASSIGN(const PackResult fly, pack_directory(store, folder.path / "fly", untagged));
  MRUN_TRY(store.untag(reference("demo/small")));
  MRUN_TRY(store.lease(packed.digest, std::chrono::seconds(1)));
  MRUN_ASSIGN(const GcPlan plan, store.collect_garbage());
  return {};
}

void write_models(const Folder& folder) {
  write_small_model(folder);
  folder.write("fly/mrun.yaml", k_small_manifest);
  folder.write("fly/model.bin", "other");
  folder.write("fly/b.txt", "b");
}

// An older bundle lies in the store already: it must survive whatever happens.
Digest write_elder(const Folder& folder) {
  folder.write("elder/mrun.yaml", k_small_manifest);
  folder.write("elder/model.bin", "elder");
  folder.write("elder/e.txt", "e");
  Store store = Store::open(folder.path / "store").value();
  PackOptions options;
  options.tag = reference("demo/elder");
  return pack_directory(store, folder.path / "elder", options).value().digest;
}

void check_survival(const Folder& folder, const Digest& elder) {
  check_whole(folder.path / "store");
  Store store = Store::open(folder.path / "store").value();
  CHECK(store.resolve(reference("demo/elder")).value() == elder);
  CHECK(store.collect_garbage());
  CHECK(count_files(folder.path / "store/tmp") == 0);
  CHECK(store.load(elder));
}

} // namespace

TEST_CASE("whichever file operation fails, the store stays whole and nothing half-written is kept") {
  const std::pair<int, bool> faults[] = {{ENOSPC, false}, {ENOSPC, true}, {EIO, false}, {EROFS, true}};
  for (const auto& [error_number, persistent] : faults) {
    bool done = false;
    for (int n = 1; !done; ++n) {
      REQUIRE(n < 1000);
      Folder folder(memory_folder());
      write_models(folder);
      const Digest elder = write_elder(folder);
      FailingFileSystem failing(real_file_system(), n, error_number, persistent);
      const Result<void> outcome = live_a_little(folder, failing);
      done = failing.calls() < n;
      CAPTURE(n);
      if (!outcome && error_number == ENOSPC) CHECK(outcome.error().code == ErrorCode::disk_full);
      if (!outcome && error_number == EROFS) CHECK(outcome.error().code == ErrorCode::store_read_only);
      if (!persistent && fs::exists(folder.path / "store/tmp"))
        CHECK(count_files(folder.path / "store/tmp") <= 1); // one only where the failing call was its removal
      check_survival(folder, elder);
    }
  }
}

TEST_CASE("a first open that fails leaves a folder that the next one completes") {
  bool done = false;
  for (int n = 1; !done; ++n) {
    REQUIRE(n < 100);
    Folder folder(memory_folder());
    FailingFileSystem failing(real_file_system(), n, ENOSPC, true);
    (void)Store::open(folder.path / "store", false, failing);
    done = failing.calls() < n;
    CHECK(Store::open(folder.path / "store"));
    CHECK(check_whole(folder.path / "store") == 0);
  }
}

TEST_CASE("killed before, in or after any file operation, the store is whole") {
  int last_moment = 0;
  for (int moment = 1; moment <= last_moment || last_moment == 0; ++moment) {
    REQUIRE(moment < 2000);
    Folder folder(memory_folder());
    write_models(folder);
    const Digest elder = write_elder(folder);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      KillingFileSystem killing(moment);
      const Result<void> outcome = live_a_little(folder, killing);
      ::_exit(outcome ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CAPTURE(moment);
    if (WIFEXITED(status)) {
      CHECK(WEXITSTATUS(status) == 0);
      last_moment = moment; // it lived: every moment has been tried
    } else {
      CHECK(WTERMSIG(status) == SIGKILL);
    }
    check_survival(folder, elder);
  }
  CHECK(last_moment > 50);
}

TEST_CASE("killed at any time while it packs and collects without end, the store is whole") {
  Folder folder(memory_folder());
  write_models(folder);
  folder.write("model/model.bin", std::string(200'000, 'm'));
  const Digest elder = write_elder(folder);
  for (int round = 0; round < 25; ++round) {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      for (int turn = 0;; ++turn) {
        folder.write("fly/b.txt", std::to_string(round * 1000 + turn));
        if (!live_a_little(folder, real_file_system()) || ::write(ready[1], "x", 1) != 1) ::_exit(1);
      }
    }
    ::close(ready[1]);
    // After a number of whole turns and then a part of one, as much as it takes to write this folder.
    char byte = 0;
    for (int turn = 0; turn <= round % 3; ++turn)
      REQUIRE(::read(ready[0], &byte, 1) == 1);
    folder.write("model/z" + std::to_string(round) + ".txt",
                 std::string(static_cast<std::size_t>(round) * 997, 'z'));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    ::close(ready[0]);
    check_survival(folder, elder);
  }
}
