#include "runtime/worker/memory.h"

#include <array>
#include <charconv>
#include <string_view>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/fd.h"

namespace mrun {
namespace {

constexpr std::uint64_t k_kib = 1024;

UniqueFd open_proc(const char* path) {
  return UniqueFd(::open(path, O_RDONLY | O_CLOEXEC));
}

// A number of a small /proc file: the first one after `key`.
std::uint64_t proc_number(const UniqueFd& fd, std::string_view key) {
  std::array<char, 4096> buffer;
  const ssize_t got = fd ? ::pread(fd.get(), buffer.data(), buffer.size(), 0) : 0;
  if (got <= 0) return 0;
  const std::string_view text(buffer.data(), static_cast<std::size_t>(got));
  const std::size_t at = text.find(key);
  const std::size_t begin =
      at == std::string_view::npos ? at : text.find_first_of("0123456789", at + key.size());
  std::uint64_t number = 0;
  if (begin != std::string_view::npos)
    std::from_chars(text.data() + begin, text.data() + text.size(), number);
  return number;
}

std::uint64_t rusage_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * k_kib;
}

} // namespace

std::uint64_t resident_bytes() {
  const std::uint64_t pages = proc_number(open_proc("/proc/self/statm"), " "); // the second field
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

PeakMemory::PeakMemory() : m_inherited_bytes(rusage_bytes()), m_status(open_proc("/proc/self/status")) {}

std::uint64_t PeakMemory::bytes() const {
  const std::uint64_t most = rusage_bytes();
  if (most > m_inherited_bytes) return most;
  const std::uint64_t own = proc_number(m_status, "VmHWM:") * k_kib;
  return own > 0 ? own : most;
}

} // namespace mrun
