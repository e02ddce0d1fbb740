// A predictor for tests that finishes on its own thread: each request gives its inputs' count, then ends.
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "runtime/mrun_predictor.h"

namespace {

struct Task {
  std::uint64_t id;
  bool refuse, twice;
};

struct Later {
  const mrun_host* host = nullptr;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Task> tasks;
  bool stopping = false;
  std::thread thread;

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return stopping || !tasks.empty(); });
      if (tasks.empty()) return;
      const Task task = tasks.front();
      tasks.pop_front();
      lock.unlock();
      const std::string_view text = "1";
      mrun_value value{};
      value.struct_size = sizeof value;
      value.kind = MRUN_VALUE_JSON;
      value.text = {text.data(), text.size()};
      const mrun_status status = host->emit(host, task.id, &value);
      host->finish(host, task.id, task.refuse ? MRUN_FAILED : status);
      if (task.twice)
        host->finish(host, task.id, MRUN_FAILED); // a defect of the module that must not be answered twice
      lock.lock();
    }
  }
};

bool has(const mrun_request& request, std::string_view name) {
  for (std::size_t i = 0; i < request.input_count; ++i)
    if (std::string_view(request.inputs[i].name.data, request.inputs[i].name.size) == name) return true;
  return false;
}

mrun_status load(const mrun_host* host, const mrun_model*, void** model) {
  auto later = std::make_unique<Later>();
  later->host = host;
  later->thread = std::thread([self = later.get()] { self->work(); });
  *model = later.release();
  return MRUN_OK;
}

mrun_status start(void* model, const mrun_request* requests, std::size_t count) {
  Later& later = *static_cast<Later*>(model);
  const std::scoped_lock lock(later.mutex);
  for (std::size_t i = 0; i < count; ++i)
    later.tasks.push_back({requests[i].id, has(requests[i], "refuse"), has(requests[i], "twice")});
  later.changed.notify_one();
  return MRUN_OK;
}

void unload(void* model) {
  const std::unique_ptr<Later> later(static_cast<Later*>(model));
  {
    const std::scoped_lock lock(later->mutex);
    later->stopping = true;
    later->changed.notify_one();
  }
  later->thread.join();
}

} // namespace

extern "C" MRUN_EXPORT const mrun_predictor* mrun_predictor_v1(const mrun_host*) {
  static const mrun_predictor predictor = [] {
    mrun_predictor made{};
    made.struct_size = sizeof made;
    made.abi_major = MRUN_ABI_MAJOR;
    made.abi_minor = MRUN_ABI_MINOR;
    made.flags = MRUN_FINISHES_LATER | MRUN_BATCHES_ITSELF;
    made.name = {"later", 5};
    made.version = {"1", 1};
    made.load = load;
    made.start = start;
    made.unload = unload;
    return made;
  }();
  return &predictor;
}
