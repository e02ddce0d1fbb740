// One thread for what may block: reading the database, hashing and writing output files, loading bundles.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "common/error.h"
#include "daemon/state/reader_database.h"

namespace mrun {

class Background {
 public:
  // `io` outlives it. The thread owns the reader's connection; its name has at most 15 bytes.
  Background(boost::asio::io_context& io, ReaderDatabase reader, const char* thread_name);
  ~Background(); // finishes what is queued

  // Any thread. Work runs in order.
  void run(std::function<void(ReaderDatabase&)> work);

  // Runs `work` there, then `done` with its result on the io thread.
  template<class T>
  void call(std::function<Result<T>(ReaderDatabase&)> work, std::function<void(Result<T>)> done) {
    run([this, work = std::move(work), done = std::move(done)](ReaderDatabase& reader) mutable {
      Result<T> result = work(reader);
      boost::asio::post(m_io, [done = std::move(done),
                               result = std::make_shared<Result<T>>(std::move(result))] {
        done(
            std::move(*result)); // shared only because a handler must be copyable in std::function; used once
      });
    });
  }

 private:
  struct Impl;
  boost::asio::io_context& m_io;
  std::unique_ptr<Impl> m_impl;
};

} // namespace mrun
