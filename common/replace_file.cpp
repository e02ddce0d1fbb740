#include "common/replace_file.h"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"

namespace mrun {

Result<void> replace_file(const std::filesystem::path& path, std::string_view bytes, unsigned mode,
                          Durable durable, ErrorCode code) {
  const auto failed = [&] {
    return fail_errno(code, errno, fmt::format("can't write {}", printable(path.string(), 200)));
  };
  const std::string temporary = fmt::format("{}.mrun-{}", path.string(), ::getpid());
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
