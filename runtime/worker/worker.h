// The worker: hello, load, predictions, exit, over the control socket (docs/formats/frames.md).
//
// Threads: as many prediction threads as the manifest's concurrency, the main thread being the first of them,
// and one helper. One thread at a time reads the socket. A prediction thread that reads a `predict` runs it
// itself, so that a request wakes one thread and not two; before, it leaves the reading to another idle
// prediction thread. When none is idle, the helper takes over, but only after k_helper_delay at most: short
// predictions end sooner, several of them share one setting of the timer, and a cancel can wait that long. A
// prediction thread that ends takes the reading back. Nobody polls without sleeping.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "runtime/frames.h"
#include "runtime/worker/host.h"
#include "runtime/worker/memory.h"
#include "runtime/worker/model.h"
#include "runtime/worker/module.h"

namespace mrun {

inline constexpr std::chrono::milliseconds k_helper_delay{5};

class Worker {
 public:
  // `socket`: the control socket, blocking; stays the caller's. `module`: the opened engine, or none for a
  // bundle's own module (`native`).
  Worker(int socket, FrameSink& sink, Host& host, std::optional<Module> module);

  // The whole life after `hello`. The exit code: 0 after `exit` or when the daemon is gone, 1 after a failed
  // load or a broken frame.
  int run();

 private:
  enum class Order { none, stop }; // what a frame came to besides a job
  static constexpr int k_nobody = -2;
  static constexpr int k_helper = -1;

  struct Received {
    Order order = Order::none;
    std::shared_ptr<Job> job; // to be run
  };

  std::optional<int> wait_for_load(); // an exit code, or none: loaded
  std::optional<int> load(Frame frame);
  void prediction_thread(int self);
  void helper_thread();
  bool become_reader(std::unique_lock<std::mutex>& lock, int self);
  void pass_reading_on();
  Received handle(Result<std::optional<Frame>> received);
  std::shared_ptr<Job> new_job(Frame frame);
  void cancel(const Frame& frame);
  void run_job(const std::shared_ptr<Job>& job);
  void end_job(const std::shared_ptr<Job>& job, const Result<void>& result);
  void stop();
  void kick_helper();
  void end_protocol(const Error& error);

  int m_socket;
  FrameSink& m_sink;
  Host& m_host;
  std::optional<Module> m_module;
  PeakMemory m_peak;
  std::unique_ptr<Model> m_model;
  UniqueFd m_timer; // tells the helper to take over
  UniqueFd m_kick;  // tells the helper to look again

  std::mutex
      m_ended_mutex; // for the wait alone; a module may end a job inside of cancel, where m_mutex is held
  std::condition_variable m_job_ended;

  std::mutex m_mutex; // the members below
  int m_reader = k_nobody;
  bool m_timer_is_set = false;
  std::vector<int> m_idle; // prediction threads without work, the last one is the warmest
  std::deque<std::condition_variable> m_wakeups; // one per prediction thread
  std::deque<std::shared_ptr<Job>> m_pending;    // read while all were busy
  bool m_stopping = false;
  int m_exit_code = 0;
};

} // namespace mrun
