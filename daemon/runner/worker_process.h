// One worker: its control socket, its output pipe and log, its process, and the ladder that ends it.
//
// On the io thread. The order of what the handler hears is the order in which the worker did it: everything
// that arrived before the process ended comes before on_exit, which is last and comes once.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/runner/frame_channel.h"
#include "daemon/runner/process.h"
#include "daemon/runner/scheduler.h"
#include "daemon/runner/worker_log.h"

namespace mrun {

class WorkerHandler {
 public:
  virtual ~WorkerHandler() = default;
  virtual void on_frame(sched::WorkerId worker, Frame& frame) = 0;
  // It broke the frame format, or closed its socket and lives on. Nothing more is read from it.
  virtual void on_broken(sched::WorkerId worker, const Error& error) = 0;
  virtual void on_line(sched::WorkerId worker, std::string_view line) = 0;
  virtual void on_exit(sched::WorkerId worker, ExitStatus status) = 0;
};

// Held by shared_ptr: handlers queued in the io context may run just after the owner let go.
class WorkerProcess : public std::enable_shared_from_this<WorkerProcess> {
 public:
  struct Ends { // for the process that is to be
    UniqueFd control;
    UniqueFd output;
  };
  // `handler` outlives it.
  static Result<std::shared_ptr<WorkerProcess>> create(boost::asio::io_context& io, sched::WorkerId id,
                                                       WorkerHandler& handler, Ends& child_ends);
  // The process exists. `is_ours`: reaped here; else its parent tells through note_reaped.
  void attach(Child child, bool is_ours, std::filesystem::path log_file);
  void note_reaped(ExitStatus status);
  // Its parent is gone: nobody will tell how it ended.
  void note_orphaned();

  // Error: resources, io: the worker is of no use any more.
  Result<void> send(Json header, std::string payload = {}, std::vector<UniqueFd> fds = {}) {
    return m_channel->send(std::move(header), std::move(payload), std::move(fds));
  }
  // It broke a rule: closes its socket, nothing more is heard from it but its output and its end.
  void stop_listening() { m_channel->close(); }
  void end(sched::EndMode mode);
  // Stops listening and kills; on_exit does not come.
  void abandon();

  bool is_ending() const { return m_pending_end.has_value(); } // was to end before it existed
  int pid() const { return m_child.pid; }
  bool is_forked() const { return !m_is_ours && m_child.pid != 0; } // by the zygote
  bool was_killed() const { return m_was_signaled; }                // by us
  WorkerLog& log() { return m_log; }
  // Takes in what was written until now, an unfinished line too; gives the number of the log's next line.
  std::uint64_t take_output();

 private:
  WorkerProcess(boost::asio::io_context& io, sched::WorkerId id, WorkerHandler& handler)
      : m_id(id),
        m_handler(handler),
        m_output(io),
        m_pidfd(io),
        m_timer(io),
        m_log({}) {}
  void start();
  void read_output();
  void drain_output();
  void wait_exit();
  void process_ended();
  void finish(ExitStatus status);
  void finish_unreported();
  void channel_closed(const Error& error);

  sched::WorkerId m_id;
  WorkerHandler& m_handler;
  std::shared_ptr<FrameChannel> m_channel;
  boost::asio::posix::stream_descriptor m_output;
  std::array<char, 8192> m_output_buffer{};
  boost::asio::posix::stream_descriptor m_pidfd; // a duplicate that asio owns
  boost::asio::steady_timer m_timer;
  WorkerLog m_log;
  std::string m_early_output; // before the process, and so the log's name, is known
  Child m_child;
  bool m_is_ours = true;
  bool m_is_orphaned = false; // the zygote is gone
  bool m_is_over = false;
  bool m_has_ended = false; // the process
  bool m_was_signaled = false;
  std::optional<ExitStatus> m_reaped;
  std::optional<sched::EndMode> m_pending_end;
};

} // namespace mrun
