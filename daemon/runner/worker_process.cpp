#include "daemon/runner/worker_process.h"

#include <csignal>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/log.h"
#include "runtime/messages.h"

namespace mrun {
namespace {

constexpr std::chrono::seconds k_close_grace{1}; // between closing the socket and ending
constexpr std::chrono::seconds k_reap_grace{1};  // between a process' end and the zygote's report
constexpr std::size_t k_max_early_output_bytes = 64 * 1024;
constexpr std::size_t k_max_drain_bytes = 1024 * 1024; // of output, once the process has ended

} // namespace

Result<std::shared_ptr<WorkerProcess>> WorkerProcess::create(boost::asio::io_context& io, sched::WorkerId id,
                                                             WorkerHandler& handler, Ends& child_ends) {
  MRUN_ASSIGN(auto sockets, frame_socketpair());
  std::array<int, 2> pipe_fds{-1, -1};
  if (::pipe2(pipe_fds.data(), O_CLOEXEC) < 0)
    return fail_errno(ErrorCode::resources, errno, "can't make a pipe for a worker");
  UniqueFd output(pipe_fds[0]);
  child_ends.output.reset(pipe_fds[1]);
  child_ends.control = std::move(sockets.second);
  MRUN_TRY(set_nonblocking(output.get()));
  std::shared_ptr<WorkerProcess> worker(new WorkerProcess(io, id, handler));
  MRUN_ASSIGN(worker->m_channel, FrameChannel::open(io, std::move(sockets.first)));
  boost::system::error_code failed;
  worker->m_output.assign(output.get(), failed);
  if (failed) return fail(ErrorCode::resources, "can't watch a worker's output: " + failed.message());
  output.release();
  worker->start();
  return worker;
}

void WorkerProcess::start() {
  m_channel->start(
      [self = weak_from_this()](Frame& frame) {
        if (const auto worker = self.lock()) worker->m_handler.on_frame(worker->m_id, frame);
      },
      [self = weak_from_this()](const Error& error) {
        if (const auto worker = self.lock()) worker->channel_closed(error);
      });
  read_output();
}

void WorkerProcess::attach(Child child, bool is_ours, std::filesystem::path log_file) {
  m_child = std::move(child);
  m_is_ours = is_ours;
  m_log = WorkerLog(std::move(log_file));
  m_log.append_bytes(std::exchange(m_early_output, {}),
                     [this](std::string_view line) { m_handler.on_line(m_id, line); });
  boost::system::error_code failed;
  const int duplicate = ::fcntl(m_child.pidfd.get(), F_DUPFD_CLOEXEC, 0);
  if (duplicate >= 0) m_pidfd.assign(duplicate, failed);
  if (duplicate < 0 || failed) {
    if (duplicate >= 0) ::close(duplicate);
    log_error("worker {} can't be watched, it is ended", m_child.pid);
    signal_group(m_child, SIGKILL);
  } else {
    wait_exit();
  }
  if (m_pending_end) end(*std::exchange(m_pending_end, std::nullopt));
}

// ---- the output pipe
// ---------------------------------------------------------------------------------------
void WorkerProcess::read_output() {
  m_output.async_wait(boost::asio::posix::descriptor_base::wait_read,
                      [self = weak_from_this()](const boost::system::error_code& failed) {
                        const auto worker = self.lock();
                        if (failed || !worker || worker->m_is_over) return;
                        worker->drain_output();
                        if (worker->m_output.is_open()) worker->read_output();
                      });
}

void WorkerProcess::drain_output() {
  const auto on_line = [this](std::string_view line) { m_handler.on_line(m_id, line); };
  for (std::size_t total = 0; total < k_max_drain_bytes && m_output.is_open();) {
    const ssize_t got = ::read(m_output.native_handle(), m_output_buffer.data(), m_output_buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      boost::system::error_code ignored;
      m_output.close(ignored);
      return;
    }
    const std::string_view bytes(m_output_buffer.data(), static_cast<std::size_t>(got));
    total += bytes.size();
    if (m_child.pid != 0)
      m_log.append_bytes(bytes, on_line);
    else
      m_early_output.append(bytes.substr(0, k_max_early_output_bytes - m_early_output.size()));
  }
}

std::uint64_t WorkerProcess::take_output() {
  drain_output();
  m_log.flush([this](std::string_view line) { m_handler.on_line(m_id, line); });
  return m_log.line_count();
}

// ---- the end
// -----------------------------------------------------------------------------------------------
void WorkerProcess::end(sched::EndMode mode) {
  if (m_is_over || m_has_ended) return;
  if (m_child.pid == 0) {
    m_pending_end = mode;
    return;
  }
  if (mode == sched::EndMode::exit) {
    if (!m_channel->send(exit_message())) signal_group(m_child, SIGTERM);
    return;
  }
  m_was_signaled = true;
  signal_group(m_child, mode == sched::EndMode::kill ? SIGKILL : SIGTERM);
}

void WorkerProcess::channel_closed(const Error& error) {
  if (m_is_over || m_has_ended) return;
  if (error.code != ErrorCode::worker_crashed) return m_handler.on_broken(m_id, error);
  // A process that ends closes its socket a moment before; one that lives on without it is of no use.
  m_timer.expires_after(k_close_grace);
  m_timer.async_wait([self = weak_from_this()](const boost::system::error_code& failed) {
    const auto worker = self.lock();
    if (!failed && worker && !worker->m_is_over && !worker->m_has_ended)
      worker->m_handler.on_broken(
          worker->m_id,
          fail(ErrorCode::worker_protocol, "the worker closed its control socket and did not end").value());
  });
}

void WorkerProcess::wait_exit() {
  m_pidfd.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [self = weak_from_this()](const boost::system::error_code& failed) {
                       const auto worker = self.lock();
                       if (!failed && worker && !worker->m_is_over) worker->process_ended();
                     });
}

void WorkerProcess::process_ended() {
  m_timer.cancel();
  m_channel->drain(); // before m_has_ended: a broken last frame is still told
  if (m_is_over) return;
  m_has_ended = true;
  drain_output();
  if (m_is_ours) return finish(reap_child(m_child));
  // The zygote ends what is left of its group before it reaps it; after that the id may be another's.
  if (m_reaped) return finish(*m_reaped);
  if (m_is_orphaned) return finish_unreported();
  m_timer.expires_after(k_reap_grace);
  m_timer.async_wait([self = weak_from_this()](const boost::system::error_code& failed) {
    const auto worker = self.lock();
    if (!failed && worker) worker->finish_unreported();
  });
}

void WorkerProcess::note_reaped(ExitStatus status) {
  m_reaped = status;
  if (m_has_ended) finish(status);
}

void WorkerProcess::note_orphaned() {
  if (m_is_ours || m_reaped) return;
  m_is_orphaned = true;
  if (m_has_ended) finish_unreported();
}

// The zygote hangs, so it is not reaped, or died just now: the rest of the group is ours to end.
void WorkerProcess::finish_unreported() {
  if (!m_is_over) signal_group(m_child, SIGKILL);
  finish({});
}

void WorkerProcess::finish(ExitStatus status) {
  if (std::exchange(m_is_over, true)) return;
  const auto keep = shared_from_this();
  m_timer.cancel();
  m_log.flush([this](std::string_view line) { m_handler.on_line(m_id, line); });
  m_channel->close();
  boost::system::error_code ignored;
  m_output.close(ignored);
  m_pidfd.close(ignored);
  m_handler.on_exit(m_id, status);
}

void WorkerProcess::abandon() {
  if (std::exchange(m_is_over, true)) return;
  m_timer.cancel();
  m_channel->close();
  boost::system::error_code ignored;
  m_output.close(ignored);
  m_pidfd.close(ignored);
  if (m_child.pid == 0) return;
  signal_group(m_child, SIGKILL);
  if (m_is_ours && !m_has_ended) reap_child(m_child, k_reap_grace);
}

} // namespace mrun
