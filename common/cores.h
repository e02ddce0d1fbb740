// How many cores there are to work on.
#pragma once

namespace mrun {

// The cores that this process may run on (its affinity: taskset, a cpuset), at least 1. The standard
// library's hardware_concurrency() counts all of the machine.
int usable_cores();

} // namespace mrun
