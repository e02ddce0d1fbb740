// The daemon's command line.
#pragma once

#include "common/error.h"
#include "common/fd.h"
#include "daemon/app/listen.h"

namespace mrun {

// mrund [--ready-fd N] [--listen ADDRESS]… [--allow-host NAME]… [--insecure-plaintext]
struct DaemonArguments {
  UniqueFd ready_fd;     // of whoever starts the daemon and waits for one line
  ListenSettings listen; // added to the configuration's
};

// Reads the words after the program's name. `ready_fd` is filled also where a later word is wrong, so that
// the starter hears of it. Errors: usage, flag_value.
Result<void> read_arguments(int argc, char** argv, DaemonArguments& arguments);

} // namespace mrun
