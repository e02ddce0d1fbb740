// Jobs on all cores. A job may add more; the first error ends the rest.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "common/error.h"

namespace mrun {

class JobPool {
 public:
  using Job = std::function<Result<void>()>;

  // One thread a core that this process may use, up to k_most_threads, and the waiting ones.
  // `waiting_threads`: threads beyond one a core, for jobs that wait for a disk now and then. On one core
  // there is one thread.
  explicit JobPool(std::size_t waiting_threads = 0);

  // No more threads than a quarter of the memory that is available has room for when each holds so much; one
  // at least. Before run().
  void limit_memory(std::uint64_t bytes_a_thread);
  std::size_t threads() const { return m_threads; }

  // Any thread, before and during run(). `next`: before those that wait.
  void add(Job job);
  void add_next(Job job);
  // Runs all jobs, also those that are added meanwhile, on the calling thread and others. Returns the first
  // error.
  Result<void> run();

 private:
  static constexpr std::size_t k_most_threads = 32;

  void work();

  std::size_t m_threads;
  std::mutex m_mutex; // of all that follows
  std::condition_variable m_changed;
  std::deque<Job> m_jobs;
  std::size_t m_running = 0;
  std::optional<Error> m_error;
};

} // namespace mrun
