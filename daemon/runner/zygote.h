// The zygote: a worker that has opened the torch engine and forks workers from itself
// (docs/formats/frames.md).
//
// Started when it may be needed, ended when no forked worker has lived for RunnerConfig::zygote_idle (its
// workers die with it), killed when it doesn't answer, started again with a backoff when it dies. Whoever
// can't get a worker here spawns one plainly. On the io thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/clock.h"
#include "daemon/runner/runner.h"
#include "daemon/runner/worker_process.h"

namespace mrun {

class Zygote : private WorkerHandler {
 public:
  // The child, or why there is none; then the ends come back for a plain spawn.
  using OnForked = std::function<void(Result<Child>, WorkerProcess::Ends)>;
  // How a forked worker ended. Pid 0: the zygote itself has ended, and tells nothing more.
  using OnReaped = std::function<void(int pid, ExitStatus)>;

  // `config` and `clock` outlive it.
  Zygote(boost::asio::io_context& io, const RunnerConfig& config, const Clock& clock, OnReaped on_reaped);
  ~Zygote() override;
  Zygote(const Zygote&) = delete;
  Zygote& operator=(const Zygote&) = delete;

  // Starts it unless it runs or has to wait after a failure.
  void prepare();
  // True when a fork is worth asking for: it is ready, or will be soon.
  bool is_available() const { return m_state == State::starting || m_state == State::ready; }
  bool is_ready() const { return m_state == State::ready; }
  // `done` is called later, not from inside of this call.
  void fork(WorkerProcess::Ends ends, OnForked done);
  std::optional<int> pid() const; // nullopt: none, or it was told to end
  void stop();                    // `exit`, then SIGTERM, then SIGKILL

 private:
  enum class State { off, starting, ready };
  struct Request {
    WorkerProcess::Ends ends;
    OnForked done;
  };

  void on_frame(sched::WorkerId worker, Frame& frame) override;
  void on_broken(sched::WorkerId worker, const Error& error) override;
  void on_line(sched::WorkerId worker, std::string_view line) override;
  void on_exit(sched::WorkerId worker, ExitStatus status) override;

  Result<void> start();
  void send_fork(std::uint64_t seq);
  void forked(Frame& frame);
  void fork_failed(const Frame& frame);
  void reaped(const Frame& frame);
  void fail_requests(const Error& error);
  void wait_idle();
  void wait_answer();
  void end_later(sched::EndMode mode);

  boost::asio::io_context& m_io;
  const RunnerConfig& m_config;
  const Clock& m_clock;
  OnReaped m_on_reaped;
  State m_state = State::off;
  std::shared_ptr<WorkerProcess> m_process; // shared: see WorkerProcess
  std::uint64_t m_generation = 0;           // the process that messages come from
  std::uint64_t m_next_seq = 1;
  std::map<std::uint64_t, Request> m_requests;
  std::set<int> m_workers; // forked and not reaped
  std::size_t m_failures = 0;
  std::int64_t m_backoff_until_ns = 0;
  boost::asio::steady_timer m_timer;        // idle, start limit or what stop() still has to do
  boost::asio::steady_timer m_answer_timer; // while requests are sent and not answered
};

} // namespace mrun
