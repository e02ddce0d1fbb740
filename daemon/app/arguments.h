// The daemon's command line.
#pragma once

#include "common/error.h"
#include "common/fd.h"
#include "daemon/app/listen.h"

namespace mrun {

// mrund [--ready-fd N] [--listen ADDRESS]… [--allow-host NAME]… [--insecure-plaintext]
// mrund --describe [--config FILE]
struct DaemonArguments {
  UniqueFd ready_fd;       // of whoever starts the daemon and waits for one line
  ListenSettings listen;   // added to the configuration's
  bool describe = false;   // tell what a daemon would go by, and end
  std::string config_file; // for that alone: another configuration
};

// Reads the words after the program's name. `ready_fd` is filled also where a later word is wrong, so that
// the starter hears of it. Errors: usage, flag_value.
Result<void> read_arguments(int argc, char** argv, DaemonArguments& arguments);

} // namespace mrun
