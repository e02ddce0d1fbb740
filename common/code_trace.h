// Test hook: which error codes and exit codes have been produced. A test at the end of the suite demands all
// of them.
#pragma once

#include "common/error.h"

namespace mrun {

// With MRUN_TEST_HOOKS and the environment's MRUN_CODE_TRACE=DIR: leaves an empty file DIR/M1234. Else
// nothing.
void trace_code(ErrorCode code);
// The same for how a command ended: DIR/exit-7.
void trace_exit(int exit_code);

} // namespace mrun
