// Descriptors 0, 1 and 2 of a process that somebody started without them (`mrun ls >&-`).
#pragma once

namespace mrun {

// Puts something on each that is closed, so that no file or socket that is opened later gets that number and
// takes what is meant for a terminal. Reading from 0 and writing to 1 then fail (EBADF), as they did; what is
// written to 2 goes nowhere. First thing in `main`: nothing must have been opened before.
void open_standard_files();

} // namespace mrun
