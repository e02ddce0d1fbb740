#include "packager/job_pool.h"

#include <algorithm>
#include <thread>
#include <vector>

#include <pthread.h>

#include "common/machine.h"

namespace mrun {

JobPool::JobPool(std::size_t waiting_threads) {
  const auto cores = static_cast<std::size_t>(usable_cores());
  m_threads = cores == 1 ? 1 : std::min(cores + waiting_threads, k_most_threads);
}

void JobPool::limit_memory(std::uint64_t bytes_a_thread) {
  const std::optional<std::uint64_t> available = available_memory_bytes();
  if (!available || bytes_a_thread == 0) return;
  m_threads = static_cast<std::size_t>(
      std::clamp<std::uint64_t>(*available / 4 / bytes_a_thread, 1, static_cast<std::uint64_t>(m_threads)));
}

void JobPool::add(Job job) {
  const std::scoped_lock lock(m_mutex);
  m_jobs.push_back(std::move(job));
  m_changed.notify_one();
}

void JobPool::add_next(Job job) {
  const std::scoped_lock lock(m_mutex);
  m_jobs.push_front(std::move(job));
  m_changed.notify_one();
}

void JobPool::work() {
  std::unique_lock lock(m_mutex);
  while (true) {
    m_changed.wait(lock, [&] { return m_error || !m_jobs.empty() || m_running == 0; });
    if (m_error || m_jobs.empty()) break; // none waits and none runs that could add one
    const Job job = std::move(m_jobs.front());
    m_jobs.pop_front();
    ++m_running;
    lock.unlock();
    Result<void> done = job();
    lock.lock();
    --m_running;
    if (!done && !m_error) m_error = std::move(done).error();
    if (m_error || m_running == 0) m_changed.notify_all();
  }
}

Result<void> JobPool::run() {
  std::vector<std::thread> others;
  // A few more than there are jobs now, for those that they add.
  const std::size_t threads = std::min(m_threads, std::max<std::size_t>(m_jobs.size(), 4));
  for (std::size_t i = 1; i < threads; ++i)
    others.emplace_back([this] {
      ::pthread_setname_np(::pthread_self(), "job");
      work();
    });
  work();
  for (std::thread& other : others)
    other.join();
  if (m_error) return tl::unexpected(std::move(*m_error));
  return {};
}

} // namespace mrun
