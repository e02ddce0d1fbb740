// One child process: spawned, watched through its pidfd, ended as a whole group.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/fd.h"

namespace mrun {

struct Child {
  int pid = 0;
  UniqueFd pidfd; // readable once the process has ended
};

struct SpawnRequest {
  std::string program;                  // absolute path
  std::vector<std::string> arguments;   // without the program's name
  std::vector<std::string> environment; // all of it: "KEY=VALUE"
  int control_fd = -1;                  // becomes 3
  int output_fd = -1;                   // becomes 1 and 2; 0 is /dev/null, everything above 3 is closed
};

// The child leads a session and process group of its own, with default signal handling. Call it from the main
// thread only: the child asks to die with the thread that spawned it. Errors: engine_missing (no such
// program), resources, io.
Result<Child> spawn_child(const SpawnRequest& request);

// How a process ended.
struct ExitStatus {
  enum class Kind { unknown, exited, signaled };
  Kind kind = Kind::unknown;
  int value = 0; // exit code or signal number
};

// For a child of this process whose pidfd is readable: ends what is left of its group, then reaps it.
// `limit`: how long to wait for its end when it isn't (blocks).
ExitStatus reap_child(const Child& child, std::chrono::milliseconds limit = std::chrono::milliseconds(0));
// Signals the process and its group; for a process that has not been reaped by us.
void signal_group(const Child& child, int signal);
// "SIGSEGV (Segmentation fault)".
std::string signal_text(int signal);

} // namespace mrun
