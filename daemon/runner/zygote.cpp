#include "daemon/runner/zygote.h"

#include <algorithm>

#include <fcntl.h>
#include <fmt/format.h>

#include "common/log.h"
#include "common/text.h"
#include "daemon/runner/load_spec.h"
#include "runtime/messages.h"

namespace mrun {
namespace {

constexpr std::string_view k_engine = "torch";
constexpr std::size_t k_max_requests = 256;

std::optional<std::int64_t> integer_of(const Frame& frame, const char* key) {
  const auto value = json_integer(frame.header, key, ErrorCode::worker_protocol, "a zygote's frame");
  return value ? *value : std::nullopt;
}

} // namespace

Zygote::Zygote(boost::asio::io_context& io, const RunnerConfig& config, const Clock& clock,
               OnReaped on_reaped)
    : m_io(io),
      m_config(config),
      m_clock(clock),
      m_on_reaped(std::move(on_reaped)),
      m_timer(io),
      m_answer_timer(io) {}

Zygote::~Zygote() {
  if (m_process) m_process->abandon();
}

void Zygote::prepare() {
  if (m_state != State::off || m_process || m_clock.monotonic_ns() < m_backoff_until_ns) return;
  if (const auto started = start(); !started) log_warn("the zygote can't start: {}", started.error().message);
}

Result<void> Zygote::start() {
  MRUN_TRY(check_engine(m_config, std::string(k_engine)));
  WorkerProcess::Ends ends;
  MRUN_ASSIGN(auto process, WorkerProcess::create(m_io, ++m_generation, *this, ends));
  MRUN_ASSIGN(Child child, spawn_child({m_config.install.worker().string(),
                                        {"--zygote", m_config.install.engine(std::string(k_engine)).string()},
                                        worker_environment(m_config, std::string(k_engine)),
                                        ends.control.get(),
                                        ends.output.get()}));
  const auto log_file =
      m_config.log_folder / "workers" / worker_log_name("zygote", m_clock.wall_ns(), child.pid);
  m_process = std::move(process);
  m_state = State::starting;
  m_process->attach(std::move(child), true, log_file);
  m_timer.expires_after(k_load_timeout);
  m_timer.async_wait(
      [this, process = std::weak_ptr<WorkerProcess>(m_process)](const boost::system::error_code& failed) {
        if (!failed && process.lock() && m_state == State::starting) m_process->end(sched::EndMode::kill);
      });
  return {};
}

std::optional<int> Zygote::pid() const {
  if (!m_process || m_state == State::off) return std::nullopt;
  return m_process->pid();
}

void Zygote::stop() {
  m_timer.cancel();
  const bool was_ready = std::exchange(m_state, State::off) == State::ready;
  if (!m_process) return;
  m_process->end(was_ready ? sched::EndMode::exit : sched::EndMode::kill);
  if (was_ready) end_later(sched::EndMode::terminate);
}

void Zygote::end_later(sched::EndMode mode) {
  m_timer.expires_after(m_config.zygote_grace);
  m_timer.async_wait(
      [this, mode, asked = std::weak_ptr<WorkerProcess>(m_process)](const boost::system::error_code& failed) {
        const auto process = asked.lock();
        if (failed || !process) return;
        process->end(mode);
        if (mode != sched::EndMode::kill) end_later(sched::EndMode::kill);
      });
}

void Zygote::fork(WorkerProcess::Ends ends, OnForked done) {
  if (!is_available() || m_requests.size() >= k_max_requests) {
    boost::asio::post(m_io, [request = std::make_shared<Request>(std::move(ends), std::move(done))] {
      request->done(fail(ErrorCode::resources, "the zygote is not there"), std::move(request->ends));
    });
    return;
  }
  const std::uint64_t seq = m_next_seq++;
  m_requests.emplace(seq, Request{std::move(ends), std::move(done)});
  if (m_state == State::ready) send_fork(seq);
}

// The ends stay here until the answer, for a plain spawn if there is no child; the zygote gets duplicates.
void Zygote::send_fork(std::uint64_t seq) {
  const Request& request = m_requests.at(seq);
  std::vector<UniqueFd> fds;
  for (const int fd : {request.ends.control.get(), request.ends.output.get()})
    fds.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  Result<void> sent = fds[0] && fds[1] ? m_process->send(fork_message(seq), {}, std::move(fds))
                                       : Result<void>(fail(ErrorCode::resources, "out of file descriptors"));
  if (!sent) {
    Request failed = std::move(m_requests.at(seq));
    m_requests.erase(seq);
    wait_idle();
    failed.done(tl::unexpected(sent.error()), std::move(failed.ends));
    return;
  }
  m_timer.cancel(); // it is not idle now
  if (m_requests.begin()->first == seq) wait_answer();
}

// It answers one after the other. One that hangs would keep its models waiting for ever, and if it woke up
// later it would fork a second worker onto ends that are in use: so it is killed, and those who wait spawn
// plainly.
void Zygote::wait_answer() {
  m_answer_timer.cancel();
  if (m_requests.empty() || m_state != State::ready) return;
  m_answer_timer.expires_after(m_config.zygote_grace);
  m_answer_timer.async_wait(
      [this, asked = std::weak_ptr<WorkerProcess>(m_process)](const boost::system::error_code& failed) {
        const auto process = asked.lock();
        if (failed || !process || m_requests.empty()) return;
        if (m_answer_timer.expiry() > boost::asio::steady_timer::clock_type::now())
          return; // it answered just now, and has time for the next one
        log_warn("the zygote did not answer within {} ms and is killed", m_config.zygote_grace.count());
        process->end(sched::EndMode::kill);
      });
}

// Its workers die with it: it is idle only while there are none.
void Zygote::wait_idle() {
  m_timer.cancel();
  if (m_state != State::ready || !m_workers.empty() || !m_requests.empty()) return;
  m_timer.expires_after(m_config.zygote_idle);
  m_timer.async_wait(
      [this, process = std::weak_ptr<WorkerProcess>(m_process)](const boost::system::error_code& failed) {
        if (failed || !process.lock() || m_state != State::ready || !m_workers.empty() || !m_requests.empty())
          return;
        log_info("the zygote had nothing to do for {} and ends",
                 format_duration(std::chrono::nanoseconds(m_config.zygote_idle).count()));
        stop();
      });
}

// ---- what it says
// ------------------------------------------------------------------------------------------
void Zygote::on_frame(sched::WorkerId worker, Frame& frame) {
  if (worker != m_generation) return;
  const std::string_view type = frame.type();
  if (type == "hello" && m_state == State::starting) {
    m_state = State::ready;
    m_failures = 0;
    wait_idle();
    std::vector<std::uint64_t> seqs;
    for (const auto& [seq, request] : m_requests)
      seqs.push_back(seq);
    for (const std::uint64_t seq : seqs)
      send_fork(seq);
  } else if (type == "forked") {
    forked(frame);
  } else if (type == "fork_failed") {
    fork_failed(frame);
  } else if (type == "reaped") {
    reaped(frame);
  } else if (type == "load_failed") {
    const auto message = json_string(frame.header, "message", ErrorCode::worker_protocol, "a zygote's frame");
    log_warn("the zygote can't start: {}", message && *message ? printable(**message) : "no reason given");
  } else if (type != "phase" && type != "log" && type != "hello") {
    on_broken(worker,
              fail(ErrorCode::worker_protocol, fmt::format("the zygote sent '{}'", printable(type))).value());
  }
}

void Zygote::forked(Frame& frame) {
  const auto seq = integer_of(frame, "seq");
  const auto pid = integer_of(frame, "pid");
  const auto found = seq ? m_requests.find(static_cast<std::uint64_t>(*seq)) : m_requests.end();
  if (found == m_requests.end() || !pid || *pid <= 1 || *pid > std::numeric_limits<int>::max() ||
      frame.fds.size() != 1)
    return on_broken(m_generation,
                     fail(ErrorCode::worker_protocol, "the zygote's `forked` is not valid").value());
  Request request = std::move(found->second);
  m_requests.erase(found);
  request.ends = {}; // the child has them
  m_workers.insert(static_cast<int>(*pid));
  wait_answer();
  request.done(Child{static_cast<int>(*pid), std::move(frame.fds.front())}, {});
}

void Zygote::fork_failed(const Frame& frame) {
  const auto seq = integer_of(frame, "seq");
  const auto found = seq ? m_requests.find(static_cast<std::uint64_t>(*seq)) : m_requests.end();
  if (found == m_requests.end()) return;
  const auto message = json_string(frame.header, "message", ErrorCode::worker_protocol, "a zygote's frame");
  Request request = std::move(found->second);
  m_requests.erase(found);
  wait_answer();
  wait_idle();
  request.done(
      fail(ErrorCode::resources, message && *message ? printable(**message) : "the zygote can't fork"),
      std::move(request.ends));
}

void Zygote::reaped(const Frame& frame) {
  const auto pid = integer_of(frame, "pid");
  if (!pid || *pid <= 1 || *pid > std::numeric_limits<int>::max()) return;
  m_workers.erase(static_cast<int>(*pid));
  wait_idle();
  if (const auto code = integer_of(frame, "exit_code"))
    m_on_reaped(static_cast<int>(*pid), {ExitStatus::Kind::exited, static_cast<int>(*code)});
  else if (const auto signal = integer_of(frame, "signal"))
    m_on_reaped(static_cast<int>(*pid), {ExitStatus::Kind::signaled, static_cast<int>(*signal)});
}

void Zygote::on_broken(sched::WorkerId worker, const Error& error) {
  if (worker != m_generation || !m_process) return;
  log_warn("the zygote is ended: {}", error.message);
  m_process->stop_listening();
  m_process->end(sched::EndMode::kill);
}

void Zygote::on_line(sched::WorkerId, std::string_view line) {
  log_debug("zygote: {}", line);
}

void Zygote::on_exit(sched::WorkerId worker, ExitStatus status) {
  if (worker != m_generation) return;
  const bool was_wanted = m_state != State::off;
  m_process.reset();
  m_state = State::off;
  m_timer.cancel();
  m_answer_timer.cancel();
  m_workers.clear();
  if (was_wanted) {
    const auto backoff = std::min<std::chrono::seconds>(
        k_max_load_backoff, k_first_load_backoff * (1 << std::min<std::size_t>(m_failures, 6)));
    ++m_failures;
    m_backoff_until_ns = m_clock.monotonic_ns() + std::chrono::nanoseconds(backoff).count();
    log_warn("the zygote ended ({}); workers start without it for {} s",
             status.kind == ExitStatus::Kind::signaled ? signal_text(status.value)
                                                       : fmt::format("exit code {}", status.value),
             backoff.count());
  }
  fail_requests(fail(ErrorCode::resources, "the zygote ended").value());
  m_on_reaped(0, {});
}

void Zygote::fail_requests(const Error& error) {
  std::map<std::uint64_t, Request> requests = std::exchange(m_requests, {});
  for (auto& [seq, request] : requests)
    request.done(tl::unexpected(error), std::move(request.ends));
}

} // namespace mrun
