// What this process uses and used at most.
#pragma once

#include <cstdint>

#include "common/fd.h"

namespace mrun {

std::uint64_t resident_bytes(); // now; 0 when /proc is not there

// The largest resident size of this program so far. getrusage also counts what the process was before exec,
// so the kernel's VmHWM is read instead until the difference no longer matters.
class PeakMemory {
 public:
  PeakMemory();
  std::uint64_t bytes() const; // any thread

 private:
  std::uint64_t m_inherited_bytes; // of the process before exec
  UniqueFd m_status;               // kept open: each prediction's end reads it
};

} // namespace mrun
