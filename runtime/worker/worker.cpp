#include "runtime/worker/worker.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <thread>

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "runtime/messages.h"

namespace mrun {
namespace {

std::int64_t now_ns() {
  return system_clock().monotonic_ns();
}

// `details` of a failure frame: the error's notes, one a line.
std::string details_of(const Error& error) {
  std::string details;
  for (const std::string& note : error.notes)
    details.append(details.empty() ? "" : "\n").append(note);
  return details;
}

std::string message_of(const Error& error) {
  return printable(error.message, k_max_failure_bytes);
}

void drain(int fd) {
  std::uint64_t count = 0;
  (void)!::read(fd, &count, sizeof count);
}

} // namespace

Worker::Worker(int socket, FrameSink& sink, Host& host, std::optional<Module> module)
    : m_socket(socket),
      m_sink(sink),
      m_host(host),
      m_module(module),
      m_timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      m_kick(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  MRUN_CHECK(m_timer && m_kick);
}

int Worker::run() {
  if (const auto exit_code = wait_for_load()) return *exit_code;
  const int threads = m_model->finishes_later() ? 1 : m_model->concurrency();
  m_wakeups.resize(static_cast<std::size_t>(threads));
  std::vector<std::thread> others;
  others.emplace_back([this] { helper_thread(); });
  ::pthread_setname_np(others.back().native_handle(), "mrun-helper");
  for (int i = 1; i < threads; ++i) {
    others.emplace_back([this, i] { prediction_thread(i); });
    ::pthread_setname_np(others.back().native_handle(),
                         fmt::format("mrun-predict{}", i).substr(0, 15).c_str());
  }
  prediction_thread(0);
  for (std::thread& other : others)
    other.join();
  {
    std::unique_lock lock(m_ended_mutex); // a predictor that finishes later may still be at it
    m_job_ended.wait(lock, [&] { return m_host.jobs().empty(); });
  }
  m_host.set_finish_handler({});
  m_model.reset();
  return m_exit_code;
}

// ---- load
// ------------------------------------------------------------------------------------------------------

std::optional<int> Worker::wait_for_load() {
  auto received = receive_frame(m_socket);
  if (!received && received.error().code == ErrorCode::worker_crashed) return 0; // the daemon is gone
  if (received && *received && (*received)->type() == "exit") return 0;
  if (received && *received && (*received)->type() == "load") return load(std::move(**received));
  log_error("the first frame is not `load`: {}",
            received ? printable(*received ? (*received)->type() : "nothing", 60) : received.error().message);
  return 1;
}

std::optional<int> Worker::load(Frame frame) {
  const auto failed = [&](const Error& error) -> std::optional<int> {
    (void)m_sink.send(load_failed_message(error.row().name, message_of(error)), details_of(error));
    return 1;
  };
  if (frame.fds.empty() || frame.fds.size() > 2)
    return failed(fail(ErrorCode::load_failed, "`load` carries no descriptor of the blobs").value());
  m_host.begin_load(frame.fds.size() == 2 ? std::move(frame.fds[1]) : UniqueFd());
  auto model = Model::load(frame.payload(), std::move(frame.fds[0]), m_host, m_module);
  if (!model) return failed(model.error());
  m_model = std::move(*model);
  m_host.set_finish_handler([this](const std::shared_ptr<Job>& job, mrun_status status) {
    if (!job->begin_completion()) return;
    end_job(job, m_model->complete(*job, status));
  });
  (void)m_sink.send(loaded_message(m_host.end_load(), resident_bytes()),
                    {}); // small: can't fail but by a gone daemon
  return std::nullopt;
}

// ---- who reads
// -------------------------------------------------------------------------------------------------

// True: this thread reads now. False: it slept or there is other work; look again.
bool Worker::become_reader(std::unique_lock<std::mutex>& lock, int self) {
  if (m_reader == k_helper) kick_helper();
  if (m_reader < 0) m_reader = self;
  if (m_reader == self) return true;
  m_idle.push_back(self);
  m_wakeups[static_cast<std::size_t>(self)].wait(lock, [&] { return m_stopping || m_reader == self; });
  m_idle.erase(std::remove(m_idle.begin(), m_idle.end(), self), m_idle.end());
  return m_reader == self && !m_stopping;
}

void Worker::pass_reading_on() {
  if (!m_idle.empty()) {
    m_reader = m_idle.back();
    m_idle.pop_back();
    m_wakeups[static_cast<std::size_t>(m_reader)].notify_one();
    return;
  }
  m_reader = k_nobody;
  if (std::exchange(m_timer_is_set, true)) return;
  itimerspec once{};
  once.it_value.tv_nsec = std::chrono::nanoseconds(k_helper_delay).count();
  ::timerfd_settime(m_timer.get(), 0, &once, nullptr);
}

void Worker::prediction_thread(int self) {
  std::unique_lock lock(m_mutex);
  while (!m_stopping || !m_pending.empty()) { // what was read is answered, if only by `canceled`
    std::shared_ptr<Job> job;
    if (!m_pending.empty()) {
      job = std::move(m_pending.front());
      m_pending.pop_front();
    } else if (become_reader(lock, self)) {
      lock.unlock();
      auto received = receive_frame(m_socket);
      lock.lock();
      job = handle(std::move(received)).job;
      if (job != nullptr) pass_reading_on();
    }
    if (job == nullptr) continue;
    lock.unlock();
    run_job(job);
    job.reset();
    lock.lock();
  }
}

void Worker::helper_thread() {
  std::unique_lock lock(m_mutex);
  while (!m_stopping) {
    const bool reading = m_reader == k_helper;
    lock.unlock();
    std::array<pollfd, 2> fds = {pollfd{m_kick.get(), POLLIN, 0},
                                 pollfd{reading ? m_socket : m_timer.get(), POLLIN, 0}};
    ::poll(fds.data(), fds.size(), -1);
    drain(m_kick.get());
    lock.lock();
    if (m_stopping) return;
    if (fds[1].revents == 0) continue;
    if (!reading) {
      drain(m_timer.get());
      m_timer_is_set = false;
      if (m_reader == k_nobody) m_reader = k_helper;
    } else if (m_reader == k_helper) { // still: nobody else reads, so the packet that poll saw is there
      if (auto job = handle(receive_frame(m_socket)).job) m_pending.push_back(std::move(job));
    }
  }
}

void Worker::kick_helper() {
  const std::uint64_t one = 1;
  (void)!::write(m_kick.get(), &one, sizeof one);
}

void Worker::stop() {
  m_stopping = true;
  for (const auto& job : m_host.jobs()) {
    job->cancel();
    m_model->cancel(job->id());
  }
  for (std::condition_variable& wakeup : m_wakeups)
    wakeup.notify_one();
  kick_helper();
}

// ---- frames
// ----------------------------------------------------------------------------------------------------

void Worker::end_protocol(const Error& error) {
  log_error("the control socket is unusable: {}", error.message);
  m_exit_code = 1;
  stop();
}

// With m_mutex held.
Worker::Received Worker::handle(Result<std::optional<Frame>> received) {
  if (!received) {
    if (received.error().code == ErrorCode::worker_crashed)
      ::_exit(0); // the daemon is gone: nobody is left to work for
    end_protocol(received.error());
    return {Order::stop, nullptr};
  }
  if (!*received) return {};
  Frame& frame = **received;
  if (frame.type() == "predict") return {Order::none, new_job(std::move(frame))};
  if (frame.type() == "cancel")
    cancel(frame);
  else if (frame.type() == "exit")
    stop();
  else
    end_protocol(
        fail(ErrorCode::worker_protocol, fmt::format("unknown frame `{}`", printable(frame.type(), 60)))
            .value());
  return {};
}

// Registers the job; nullptr after a broken frame. What can fail for this input alone is left to run_job.
std::shared_ptr<Job> Worker::new_job(Frame frame) {
  const std::int64_t start_ns = now_ns();
  const auto id = need_integer(frame.header, "id", ErrorCode::worker_protocol, "a `predict` frame");
  if (!id || *id < 1) {
    end_protocol(id ? fail(ErrorCode::worker_protocol, "a `predict` frame's id is below 1").value()
                    : id.error());
    return nullptr;
  }
  auto job = std::make_shared<Job>(static_cast<std::uint64_t>(*id), m_sink);
  job->start_ns = start_ns;
  job->hold(std::move(frame));
  if (m_pending.size() >= k_max_queue_length || !m_host.add(job)) {
    end_protocol(fail(ErrorCode::worker_protocol, fmt::format("prediction {} is one too many", *id)).value());
    return nullptr;
  }
  return job;
}

void Worker::cancel(const Frame& frame) {
  const auto id = need_integer(frame.header, "id", ErrorCode::worker_protocol, "a `cancel` frame");
  if (!id) return end_protocol(id.error());
  const auto job = m_host.find(static_cast<std::uint64_t>(*id));
  if (job == nullptr) return; // it has ended: its `done` is on the way
  job->cancel();
  m_model->cancel(job->id());
}

// ---- predictions
// -----------------------------------------------------------------------------------------------

void Worker::run_job(const std::shared_ptr<Job>& job) {
  (void)m_sink.send(started_message(job->id(), job->start_ns), {}); // small: can't fail but by a gone daemon
  if (auto read = job->read_input(m_model->file_inputs()); !read) return end_job(job, read);
  const auto status = m_model->start(*job);
  if (!status) return end_job(job, tl::unexpected(status.error()));
  if (m_model->finishes_later() && *status == MRUN_OK) return;
  if (job->begin_completion()) end_job(job, m_model->complete(*job, *status));
}

namespace {

// A child of a zygote begins at 0, as one that was started from nothing does.
void note_reads(DoneMessage& done) {
  constexpr std::uint64_t k_block_bytes = 512; // of ru_inblock (getrusage(2))
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return;
  done.read_bytes = k_block_bytes * static_cast<std::uint64_t>(usage.ru_inblock);
  done.major_faults = static_cast<std::uint64_t>(usage.ru_majflt);
}

} // namespace

void Worker::end_job(const std::shared_ptr<Job>& job, const Result<void>& result) {
  if (!job->end()) return;
  DoneMessage done;
  done.id = job->id();
  done.status = result ? "succeeded" : result.error().code == ErrorCode::cancelled ? "canceled" : "failed";
  std::string details;
  if (!result) {
    done.code = result.error().row().name;
    done.message = message_of(result.error());
    details = details_of(result.error());
    done.healthy =
        result.error().code != ErrorCode::device_error && result.error().code != ErrorCode::out_of_memory;
  }
  done.peak_memory_bytes = m_peak.bytes();
  note_reads(done);
  done.predict_ns = now_ns() - job->start_ns;
  std::fflush(nullptr);     // what the model printed belongs to this prediction, so it goes first
  m_host.remove(job->id()); // before `done`: the daemon may use the id again
  (void)m_sink.send(done_message(done), details); // small, or sealed memory: can't fail but by a gone daemon
  if (m_model->finishes_later()) {
    const std::scoped_lock lock(m_ended_mutex);
    m_job_ended.notify_all();
  }
}

} // namespace mrun
