// The one thread that writes the database. Jobs queue up; whatever waits becomes one transaction (group
// commit).
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/io_context.hpp>

#include "common/error.h"
#include "daemon/state/writer_database.h"

namespace mrun {

struct WriteJob {
  // Runs on the writer's thread inside a transaction; an error undoes this job alone.
  std::function<Result<void>(WriterDatabase&)> apply;
  // On the io thread, after the commit (or with the error that undid it), in the order of the jobs.
  std::function<void(Result<void>)> done;
  // On disk before `done`: a batch that holds one such job is synced whole (synchronous=FULL), any other is
  // safe from a killed process, not from a power cut (NORMAL).
  bool durable = false;
};

class Writer {
 public:
  // `io` outlives the writer. A failed checkpoint is logged and tried again.
  Writer(boost::asio::io_context& io, WriterDatabase database);
  // Finishes what is queued, marks the database clean, ends the thread. `done` calls not yet made are
  // dropped.
  ~Writer();

  // Any thread; never blocks on the disk.
  void submit(WriteJob job);

  struct Counts {
    std::uint64_t jobs = 0;
    std::uint64_t batches = 0;
    std::uint64_t synced_batches = 0;
  };
  Counts counts() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> m_impl;
};

} // namespace mrun
