#include "packager/registry/transfers.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/machine.h"

namespace mrun {
namespace {

constexpr std::size_t k_most_threads = 8;
constexpr std::chrono::milliseconds k_tick{100};

void signal_event(int fd) {
  const std::uint64_t one = 1;
  (void)!::write(fd, &one, sizeof one);
}

class Pool {
 public:
  Pool(Registry& registry, std::vector<TransferTask> tasks, int stop_fd, UniqueFd ended)
      : m_registry(registry),
        m_stop_fd(stop_fd),
        m_ended(std::move(ended)),
        m_tasks(std::move(tasks)),
        m_counts(m_tasks.size()) {
    std::ranges::stable_sort(m_tasks, std::greater<>(), &TransferTask::size_bytes);
    for (const TransferTask& task : m_tasks)
      m_progress.total_bytes += task.size_bytes;
    m_progress.total_blobs = m_tasks.size();
    for (std::size_t i = 0; i < m_tasks.size(); ++i)
      m_all_counts.insert(&count_of(i));
    m_moved_before = moved();
  }

  void work() {
    RegistryConnection connection(m_registry, m_stop_fd);
    while (const std::optional<std::size_t> index = take()) {
      Result<void> done = m_tasks[*index].run(connection, count_of(*index));
      const std::scoped_lock lock(m_mutex);
      if (!done && !m_error) m_error = std::move(done).error();
      if (m_error) break;
      if (!m_tasks[*index].shared_count) m_counts[*index] = m_tasks[*index].size_bytes;
      ++m_progress.done_blobs;
    }
    const std::scoped_lock lock(m_mutex);
    if (m_error || ++m_idle == m_threads) signal_event(m_ended.get());
  }

  void run(std::size_t threads) {
    m_threads = threads;
    for (std::size_t i = 0; i < threads; ++i)
      m_workers.emplace_back([this, i] {
        ::pthread_setname_np(::pthread_self(), fmt::format("transfer{}", i).c_str());
        work();
      });
  }
  void join() {
    for (std::thread& worker : m_workers)
      worker.join();
  }
  void stop(Error error) {
    const std::scoped_lock lock(m_mutex);
    if (!m_error) m_error = std::move(error);
  }

  int ended_fd() const { return m_ended.get(); }
  TransferProgress progress() const {
    const std::scoped_lock lock(m_mutex);
    TransferProgress now = m_progress;
    for (const ByteCount* count : m_all_counts)
      now.done_bytes += count->load(std::memory_order_relaxed);
    now.moved_bytes = moved() - m_moved_before;
    now.in_trouble = m_registry.traffic().in_trouble.load(std::memory_order_relaxed) > 0;
    return now;
  }
  std::optional<Error> error() const {
    const std::scoped_lock lock(m_mutex);
    return m_error;
  }

 private:
  ByteCount& count_of(std::size_t index) {
    return m_tasks[index].shared_count ? *m_tasks[index].shared_count : m_counts[index];
  }
  std::uint64_t moved() const {
    return m_registry.traffic().received_bytes.load(std::memory_order_relaxed) +
           m_registry.traffic().sent_bytes.load(std::memory_order_relaxed);
  }

  std::optional<std::size_t> take() {
    const std::scoped_lock lock(m_mutex);
    if (m_error || m_next == m_tasks.size()) return std::nullopt;
    return m_next++;
  }

  Registry& m_registry;
  int m_stop_fd;
  UniqueFd m_ended; // readable: all is done, or one failed
  std::vector<TransferTask> m_tasks;
  std::deque<ByteCount> m_counts;          // of each task; a deque, since atomics don't move
  std::set<const ByteCount*> m_all_counts; // those that count: a shared one is there once
  std::uint64_t m_moved_before = 0;
  std::vector<std::thread> m_workers;
  std::size_t m_threads = 0;

  mutable std::mutex m_mutex; // of what follows
  std::size_t m_next = 0;
  std::size_t m_idle = 0;
  TransferProgress m_progress;
  std::optional<Error> m_error;
};

std::size_t thread_count(std::size_t asked, std::size_t tasks) {
  // Connections wait more than they work, also on two cores.
  const std::size_t usual =
      std::clamp<std::size_t>(2 * static_cast<std::size_t>(usable_cores()), 4, k_most_threads);
  return std::min(asked > 0 ? std::min(asked, k_most_threads) : usual, tasks);
}

} // namespace

Result<void> run_transfers(Registry& registry, std::vector<TransferTask> tasks,
                           const TransferOptions& options) {
  if (tasks.empty()) return {};
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), ended(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop || !ended) return fail_errno(ErrorCode::resources, errno, "can't make an event");
  const std::size_t threads = thread_count(options.parallel, tasks.size());
  // `stop` ends every transfer, for the user and for an error of another one.
  Pool pool(registry, std::move(tasks), stop.get(), std::move(ended));
  pool.run(threads);
  while (true) {
    std::array<pollfd, 2> waits = {pollfd{pool.ended_fd(), POLLIN, 0},
                                   pollfd{registry.config().interrupt_fd, POLLIN, 0}};
    ::poll(waits.data(), waits.size(), static_cast<int>(k_tick.count()));
    if (options.on_progress) options.on_progress(pool.progress());
    if (waits[0].revents != 0) break;
    if (waits[1].revents == 0) continue;
    pool.stop(fail(ErrorCode::interrupted_by_user, "interrupted").value());
    break;
  }
  signal_event(stop.get());
  pool.join();
  if (auto error = pool.error()) return tl::unexpected(std::move(*error));
  if (options.on_progress) options.on_progress(pool.progress());
  return {};
}

} // namespace mrun
