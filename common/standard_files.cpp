#include "common/standard_files.h"

#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

namespace mrun {
namespace {

// Of each descriptor, the mode in which its use fails; errors have nobody to tell, so they are dropped.
constexpr int k_modes[] = {O_WRONLY, O_RDONLY, O_WRONLY};

} // namespace

void open_standard_files() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one: those below have been looked at. Without it nothing is safe.
    if (::open("/dev/null", k_modes[fd]) != fd) std::abort();
  }
}

} // namespace mrun
