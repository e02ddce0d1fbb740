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

  // Any thread, before and during run(). `next`: before those that wait.
  void add(Job job);
  void add_next(Job job);
  // Runs all jobs, also those that are added meanwhile, on the calling thread and others: one a core that
  // this process may use. Returns the first error.
  Result<void> run();

 private:
  void work();

  std::mutex m_mutex; // of all that follows
  std::condition_variable m_changed;
  std::deque<Job> m_jobs;
  std::size_t m_running = 0;
  std::optional<Error> m_error;
};

} // namespace mrun
