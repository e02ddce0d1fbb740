#include "common/replace_file.h"

#include <cerrno>
#include <chrono>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/paths.h"
#include "common/text.h"

namespace mrun {
namespace fs = std::filesystem;
namespace {

// No process number: in two containers with one home it may be the same, and the file of one that was killed
// would be in the way of the next of that number.
std::string temporary_of(const fs::path& path) {
  std::uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != static_cast<ssize_t>(sizeof random))
    random = static_cast<std::uint64_t>(system_clock().monotonic_ns());
  return fmt::format("{}{}{:016x}", path.string(), k_replacement_infix, random);
}

void remove_abandoned(const fs::path& path) {
  const std::string prefix = path.filename().string() + std::string(k_replacement_infix);
  const auto oldest = fs::file_time_type::clock::now() - k_replacement_lifetime;
  std::error_code ignored;
  const fs::path folder = folder_of(path);
  for (auto entry = fs::directory_iterator(folder, ignored); entry != fs::directory_iterator();
       entry.increment(ignored)) {
    if (!entry->path().filename().string().starts_with(prefix)) continue;
    std::error_code failed;
    const auto written = entry->last_write_time(failed);
    if (!failed && written < oldest) fs::remove(entry->path(), failed);
  }
}

constexpr int k_most_links = 40; // as the kernel
constexpr mode_t k_mode_bits = 07777;
constexpr mode_t k_data_bits = 0666; // those of a folder that make sense for a file in it

// What the link, or the link behind it, leads to; `path` itself when it is none.
fs::path end_of_links(fs::path path) {
  std::error_code failed;
  for (int i = 0; i < k_most_links && fs::is_symlink(fs::symlink_status(path, failed)); ++i) {
    const fs::path target = fs::read_symlink(path, failed);
    if (failed) break;
    path = path.parent_path() / target; // an absolute one replaces it all
  }
  return path;
}

// What the new file takes over from the one that is there.
struct Keep {
  mode_t mode;
  uid_t owner;
  gid_t group;
};

Result<void> write_and_rename(const fs::path& path, std::string_view bytes, mode_t mode, const Keep* keep,
                              Durable durable, ErrorCode code) {
  const auto failed = [&] {
    return fail_errno(code, errno, fmt::format("can't write {}", printable(path.string(), 200)));
  };
  remove_abandoned(path);
  const std::string temporary = temporary_of(path);
  const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd) return failed();
  Result<void> done = write_all(fd.get(), bytes, path.string());
  // The owner first: changing that takes bits of the mode away.
  if (done && keep != nullptr &&
      (::fchown(fd.get(), keep->owner, keep->group) < 0 || ::fchmod(fd.get(), keep->mode) < 0))
    done = fail_errno(code, errno,
                      fmt::format("can't keep owner and mode of {}", printable(path.string(), 200)));
  if (done &&
      ((durable == Durable::yes && ::fsync(fd.get()) < 0) || ::rename(temporary.c_str(), path.c_str()) < 0))
    done = failed();
  if (!done) ::unlink(temporary.c_str());
  return done;
}

} // namespace

Result<void> replace_file(const fs::path& path, std::string_view bytes, unsigned mode, Durable durable,
                          ErrorCode code) {
  return write_and_rename(path, bytes, mode, nullptr, durable, code);
}

Result<void> replace_kept_file(const fs::path& path, std::string_view bytes, ErrorCode code) {
  const fs::path place = end_of_links(path);
  std::error_code ignored;
  if (fs::is_symlink(fs::symlink_status(place, ignored)))
    return fail_errno(code, ELOOP, fmt::format("can't write {}", printable(path.string(), 200)));
  const fs::path folder = folder_of(place);
  struct stat there {};
  if (::stat(place.c_str(), &there) == 0) {
    const Keep keep{there.st_mode & k_mode_bits, there.st_uid, there.st_gid};
    return write_and_rename(place, bytes, 0600, &keep, Durable::yes, code);
  }
  const mode_t mode = ::stat(folder.c_str(), &there) == 0 ? there.st_mode & k_data_bits : 0600;
  return write_and_rename(place, bytes, mode, nullptr, Durable::yes, code);
}

} // namespace mrun
