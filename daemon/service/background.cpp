#include "daemon/service/background.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include <pthread.h>

namespace mrun {

struct Background::Impl {
  explicit Impl(ReaderDatabase opened) : reader(std::move(opened)) {}

  void loop() {
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [this] { return stopping || !queue.empty(); });
      if (queue.empty()) return;
      const std::function<void(ReaderDatabase&)> work = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      work(reader);
      lock.lock();
    }
  }

  ReaderDatabase reader;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void(ReaderDatabase&)>> queue;
  bool stopping = false;
  std::thread thread;
};

Background::Background(boost::asio::io_context& io, ReaderDatabase reader, const char* thread_name)
    : m_io(io),
      m_impl(std::make_unique<Impl>(std::move(reader))) {
  m_impl->thread = std::thread([impl = m_impl.get()] { impl->loop(); });
  ::pthread_setname_np(m_impl->thread.native_handle(), thread_name);
}

Background::~Background() {
  {
    const std::lock_guard lock(m_impl->mutex);
    m_impl->stopping = true;
  }
  m_impl->wake.notify_one();
  m_impl->thread.join();
}

void Background::run(std::function<void(ReaderDatabase&)> work) {
  {
    const std::lock_guard lock(m_impl->mutex);
    m_impl->queue.push_back(std::move(work));
  }
  m_impl->wake.notify_one();
}

} // namespace mrun
