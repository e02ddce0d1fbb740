#include "common/replace_file.h"

#include <cerrno>
#include <chrono>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
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
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (auto entry = fs::directory_iterator(folder, ignored); entry != fs::directory_iterator();
       entry.increment(ignored)) {
    if (!entry->path().filename().string().starts_with(prefix)) continue;
    std::error_code failed;
    const auto written = entry->last_write_time(failed);
    if (!failed && written < oldest) fs::remove(entry->path(), failed);
  }
}

} // namespace

Result<void> replace_file(const fs::path& path, std::string_view bytes, unsigned mode, Durable durable,
                          ErrorCode code) {
  const auto failed = [&] {
    return fail_errno(code, errno, fmt::format("can't write {}", printable(path.string(), 200)));
  };
  remove_abandoned(path);
  const std::string temporary = temporary_of(path);
  const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd) return failed();
  Result<void> done = write_all(fd.get(), bytes, path.string());
  if (done &&
      ((durable == Durable::yes && ::fsync(fd.get()) < 0) || ::rename(temporary.c_str(), path.c_str()) < 0))
    done = failed();
  if (!done) ::unlink(temporary.c_str());
  return done;
}

} // namespace mrun
