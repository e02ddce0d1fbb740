// The bundle's program: started, fed with lines, read line by line, ended.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/error.h"
#include "common/fd.h"

namespace mrun::process {

struct Launch {
  std::string path;                     // absolute; a file with the x bit, a script names its interpreter
  std::string folder;                   // its working directory
  std::vector<std::string> environment; // NAME=value, all of it
};

// How a program ended.
struct ProgramEnd {
  bool was_signal = false;
  int value = 0; // exit code or signal

  std::string words() const; // "ended with exit code 3", "died of SIGSEGV"
};

class Program {
 public:
  struct Listener {
    virtual ~Listener() = default;
    // Both from the reading thread. Lines come without their newline. After on_end nothing comes.
    virtual void on_line(std::string_view line) = 0;
    virtual void on_too_long(std::size_t limit_bytes) = 0; // a line without an end; nothing more is read
    virtual void on_end(ProgramEnd end) = 0;
  };

  // Its standard error is ours, its standard input and output are pipes, nothing else is open. It dies with
  // the calling thread. Its end is its own: processes that it leaves behind are not waited for. `listener`
  // outlives it. Errors: load_failed with the system's reason.
  static Result<std::unique_ptr<Program>> start(const Launch& launch, Listener& listener);
  // Closes its input; SIGTERM after `k_stop_grace`, SIGKILL after another. Waits until it is gone.
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Any thread; never blocks: a thread of its own writes. What a dead program does not read is dropped.
  void send(std::string line);
  int pid() const { return m_pid; }

 private:
  Program(int pid, UniqueFd input, UniqueFd output, Listener& listener);
  void write_lines();
  void read_lines();
  bool take(std::string& pending, std::string_view bytes);
  bool has_output(int process) const; // a pidfd
  ProgramEnd wait_for_end(int process);

  int m_pid;
  UniqueFd m_input, m_output;
  Listener& m_listener;
  std::mutex m_mutex;
  std::condition_variable m_changed;
  std::deque<std::string> m_outbox; // guarded
  bool m_is_stopping = false;       // guarded
  bool m_is_gone = false;           // guarded: waited for
  std::thread m_writer, m_reader;   // last: they use all of the above
};

} // namespace mrun::process
