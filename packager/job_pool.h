// Jobs on all cores. A job may add more; the first error ends the rest.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "common/error.h"

namespace mrun {

class JobPool {
 public:
  using Job = std::function<Result<void>()>;

  // `waiting_threads`: threads beyond one a core, for jobs that wait for a disk now and then. On one core
  // there is one thread.
  explicit JobPool(std::size_t waiting_threads = 0) : m_waiting_threads(waiting_threads) {}

  // Any thread, before and during run(). `next`: before those that wait.
  void add(Job job);
  void add_next(Job job);
  // Runs all jobs, also those that are added meanwhile, on the calling thread and others: one a core that
  // this process may use, up to k_most_threads, and the waiting ones. Returns the first error.
  Result<void> run();

 private:
  static constexpr std::size_t k_most_threads = 32; // a job of pack holds up to 64 MiB

  void work();

  const std::size_t m_waiting_threads;
  std::mutex m_mutex; // of all that follows
  std::condition_variable m_changed;
  std::deque<Job> m_jobs;
  std::size_t m_running = 0;
  std::optional<Error> m_error;
};

} // namespace mrun
