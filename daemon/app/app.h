// The daemon from its command line to its exit code.
#pragma once

namespace mrun {

// mrund, with the arguments of daemon/app/arguments.h. Runs until it is told to stop (SIGTERM, SIGINT, POST
// /mrun/v1/shutdown) and returns the exit code: 0 after a stop, else the code of the error that kept it from
// starting, which is written to standard error and to the descriptor of --ready-fd ("ready\n" there means
// that the socket answers).
int run_daemon(int argc, char** argv);

} // namespace mrun
