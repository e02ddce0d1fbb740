#include "daemon/state/writer.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>
#include <pthread.h>
#include <sqlite3.h>

#include "common/log.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_batch = 256;
// The write-ahead log is copied back while nothing waits, or at once when it has grown large.
constexpr int k_checkpoint_pages = 1000;
constexpr int k_forced_checkpoint_pages = 16'000;
constexpr std::chrono::milliseconds k_idle_before_checkpoint{100};

} // namespace

struct Writer::Impl {
  Impl(boost::asio::io_context& io_context, WriterDatabase opened)
      : io(io_context),
        database(std::move(opened)) {
    sqlite3_wal_hook(
        database.connection().handle(),
        [](void* self, sqlite3*, const char*, int pages) {
          static_cast<Impl*>(self)->wal_pages = pages;
          return SQLITE_OK;
        },
        this);
    thread = std::thread([this] { run(); });
    ::pthread_setname_np(thread.native_handle(), "mrund-writer");
  }

  void run() {
    while (true) {
      std::vector<WriteJob> batch = take();
      if (batch.empty()) return;
      commit(std::move(batch));
      if (wal_pages >= k_forced_checkpoint_pages) checkpoint();
    }
  }

  // Waits for work; empty only when the writer shall end and nothing is left.
  std::vector<WriteJob> take() {
    std::unique_lock lock(mutex);
    const auto ready = [this] { return stopping || !queue.empty(); };
    while (!ready()) {
      if (wal_pages < k_checkpoint_pages) {
        wake.wait(lock, ready);
      } else if (!wake.wait_for(lock, k_idle_before_checkpoint, ready)) {
        lock.unlock();
        checkpoint();
        lock.lock();
      }
    }
    std::vector<WriteJob> batch;
    const std::size_t count = std::min(queue.size(), k_max_batch);
    batch.assign(std::make_move_iterator(queue.begin()),
                 std::make_move_iterator(queue.begin() + static_cast<std::ptrdiff_t>(count)));
    queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(count));
    return batch;
  }

  void commit(std::vector<WriteJob> batch) {
    bool durable = false;
    for (const WriteJob& job : batch)
      durable = durable || job.durable;
    std::vector<Result<void>> results(batch.size());
    if (Result<void> committed = transaction(batch, durable, results); !committed)
      for (Result<void>& result : results)
        if (result) result = committed;
    {
      const std::lock_guard lock(mutex);
      totals.jobs += batch.size();
      ++totals.batches;
      totals.synced_batches += durable ? 1 : 0;
    }
    boost::asio::post(
        io, [alive = std::weak_ptr(life), jobs = std::move(batch), outcomes = std::move(results)]() mutable {
          if (alive.expired()) return; // what the calls refer to may have gone with the writer
          for (std::size_t i = 0; i < jobs.size(); ++i)
            if (jobs[i].done) jobs[i].done(std::move(outcomes[i]));
        });
  }

  Result<void> transaction(std::vector<WriteJob>& batch, bool durable, std::vector<Result<void>>& results) {
    Sqlite& connection = database.connection();
    if (durable != full_sync) {
      MRUN_TRY(connection.execute(durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"));
      full_sync = durable;
    }
    MRUN_TRY(database.begin());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      results[i] = apply(batch[i], batch.size() > 1);
      // A full disk or a failed write makes SQLite roll the whole transaction back by itself.
      if (!results[i] && sqlite3_get_autocommit(connection.handle()) != 0)
        return tl::unexpected(results[i].error());
    }
    if (Result<void> committed = database.commit(); !committed) {
      if (sqlite3_get_autocommit(connection.handle()) == 0)
        (void)connection.execute("ROLLBACK"); // the commit's own error is the one to tell
      return committed;
    }
    return {};
  }

  // In a batch of several a savepoint lets one job fail alone; a single job fails with its transaction.
  Result<void> apply(WriteJob& job, bool guarded) {
    Sqlite& connection = database.connection();
    if (!guarded) {
      Result<void> applied = job.apply(database);
      if (!applied && sqlite3_get_autocommit(connection.handle()) == 0) {
        MRUN_TRY(connection.execute("ROLLBACK"));
      }
      return applied;
    }
    MRUN_TRY(connection.execute("SAVEPOINT job"));
    Result<void> applied = job.apply(database);
    if (sqlite3_get_autocommit(connection.handle()) != 0) return applied;
    MRUN_TRY(connection.execute(applied ? "RELEASE job" : "ROLLBACK TO job; RELEASE job"));
    return applied;
  }

  void checkpoint() {
    if (sqlite3_wal_checkpoint_v2(database.connection().handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr,
                                  nullptr) != SQLITE_OK)
      log_warn("{}", sqlite_failure(database.connection().handle(), "a checkpoint failed").value().message);
    wal_pages = 0; // the next commit tells anew
  }

  boost::asio::io_context& io;
  WriterDatabase database;
  const std::shared_ptr<const bool> life =
      std::make_shared<const bool>(true); // shared with posted calls, weakly
  bool full_sync = true;                  // as opened
  int wal_pages = 0;

  mutable std::mutex mutex;
  std::condition_variable wake;
  std::vector<WriteJob> queue;
  Counts totals;
  bool stopping = false;
  std::thread thread;
};

Writer::Writer(boost::asio::io_context& io, WriterDatabase database)
    : m_impl(std::make_unique<Impl>(io, std::move(database))) {}

Writer::~Writer() {
  {
    const std::lock_guard lock(m_impl->mutex);
    m_impl->stopping = true;
  }
  m_impl->wake.notify_one();
  m_impl->thread.join();
  if (Result<void> closed = m_impl->database.close_cleanly(); !closed)
    log_error("the database was not closed cleanly: {}", closed.error().message);
}

void Writer::submit(WriteJob job) {
  {
    const std::lock_guard lock(m_impl->mutex);
    m_impl->queue.push_back(std::move(job));
  }
  m_impl->wake.notify_one();
}

Writer::Counts Writer::counts() const {
  const std::lock_guard lock(m_impl->mutex);
  return m_impl->totals;
}

} // namespace mrun
