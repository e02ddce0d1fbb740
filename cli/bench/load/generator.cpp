#include "cli/bench/load/generator.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>

#include <fmt/format.h>
#include <sys/prctl.h>

#include "cli/bench/load/connection.h"
#include "cli/bench/load/poller.h"
#include "cli/bench/load/saturation.h"
#include "cli/bench/stats/quantile.h"
#include "common/clock.h"
#include "common/text.h"
#include "common/unix_socket.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_read_bytes = 64 * k_kib;
constexpr std::size_t k_max_unread_bytes = 32 * k_mib; // replies that wait to be taken apart
constexpr std::int64_t k_quiet_ns = 300'000;           // so long nothing must be due for taking one apart
constexpr std::int64_t k_retry_ns = 1'000'000;         // after the listener's backlog was full
constexpr std::int64_t k_progress_ns = 100'000'000;
constexpr std::int64_t k_drain_ns = 5'000'000'000; // for what is in flight when a step is saturated
constexpr std::uint64_t k_interrupt = ~std::uint64_t{0};

// The default slack lets the kernel wake this thread 50 µs late.
class PreciseTimers {
 public:
  PreciseTimers() : m_before(::prctl(PR_GET_TIMERSLACK)) { ::prctl(PR_SET_TIMERSLACK, 1); }
  PreciseTimers(const PreciseTimers&) = delete;
  PreciseTimers& operator=(const PreciseTimers&) = delete;
  ~PreciseTimers() {
    if (m_before > 0) ::prctl(PR_SET_TIMERSLACK, m_before);
  }

 private:
  int m_before;
};

class Generator {
 public:
  explicit Generator(const LoadPlan& plan) : m_plan(plan) {}

  Result<LoadRun> run() {
    MRUN_CHECK(!m_plan.requests.empty());
    MRUN_CHECK(open_loop() || m_plan.max_requests > 0 || m_plan.duration_ns > 0); // or it would never end
    const PreciseTimers timers;
    MRUN_ASSIGN(m_address, socket_address(m_plan.socket));
    MRUN_ASSIGN(Poller poller, Poller::create());
    m_poller = &poller;
    if (m_plan.interrupt_fd >= 0) poller.add(m_plan.interrupt_fd, EPOLLIN, k_interrupt);
    MRUN_TRY(connect_first());
    m_run.samples.reserve(m_plan.schedule.empty() ? m_plan.max_requests : m_plan.schedule.size());
    m_start_ns = system_clock().monotonic_ns();
    m_run.start_ns = m_start_ns;
    while (!finished()) {
      MRUN_TRY(turn());
    }
    read_all_replies();
    m_run.elapsed_ns = std::max(m_last_answer_ns, std::int64_t{1});
    return std::move(m_run);
  }

 private:
  bool open_loop() const { return !m_plan.schedule.empty(); }
  std::int64_t now() const { return system_clock().monotonic_ns() - m_start_ns; }

  bool nothing_more_due() const {
    if (m_stopped) return true;
    if (open_loop()) return m_next_due == m_plan.schedule.size();
    const bool enough = m_plan.max_requests > 0 && m_run.samples.size() >= m_plan.max_requests;
    return enough || (m_plan.duration_ns > 0 && now() >= m_plan.duration_ns);
  }
  bool finished() const {
    if (m_run.interrupted) return true;
    if (!nothing_more_due()) return false;
    return m_in_flight == 0 || (m_run.saturated && now() >= m_drain_until_ns);
  }

  Result<void> turn() {
    start_due();
    const std::int64_t wait_ns = time_to_next();
    if (wait_ns > k_quiet_ns || m_unread_bytes > k_max_unread_bytes) read_one_reply();
    MRUN_TRY(wait(m_unread.empty() ? time_to_next() : 0));
    look_around();
    return {};
  }

  // ---- what is due --------------------------------------------------------------------------------------

  void start_due() {
    if (m_stopped) return;
    if (!open_loop()) {
      while (m_in_flight < m_plan.concurrency && !nothing_more_due())
        if (!start(now())) return;
      return;
    }
    while (m_next_due < m_plan.schedule.size() && m_plan.schedule[m_next_due] <= now()) {
      if (m_in_flight >= m_plan.max_connections) {
        ++m_run.dropped;
        ++m_next_due;
        continue;
      }
      if (!start(m_plan.schedule[m_next_due])) return;
      ++m_next_due;
    }
  }

  // False when no connection is to be had now.
  bool start(std::int64_t scheduled_ns) {
    const std::optional<std::size_t> index = free_connection();
    if (!index && is_gone(m_connect_error)) note_gone(scheduled_ns);
    if (!index) return false;
    Connection& connection = m_connections[*index];
    const std::size_t number = m_run.samples.size();
    const std::string& request = m_plan.requests[(m_plan.first_request + number) % m_plan.requests.size()];
    connection.begin(request, number, now() + m_plan.timeout_ns);
    ++m_in_flight;
    Sample sample;
    sample.scheduled_ns = scheduled_ns;
    sample.connect_ns = std::exchange(m_connect_ns, -1);
    sample.sent_ns = now();
    m_run.samples.push_back(std::move(sample));
    connection.send();
    return true;
  }

  // Nobody listens any more: one request says so, and the rest is not sent.
  static bool is_gone(int problem) { return problem == ECONNREFUSED || problem == ENOENT; }
  void note_gone(std::int64_t scheduled_ns) {
    Sample sample;
    sample.scheduled_ns = scheduled_ns;
    sample.sent_ns = sample.done_ns = now();
    sample.outcome = Outcome::unanswered;
    sample.problem = fmt::format("can't connect: {}", std::strerror(m_connect_error));
    m_run.samples.push_back(std::move(sample));
    if (open_loop()) m_run.dropped += m_plan.schedule.size() - m_next_due - 1;
    m_stopped = true;
  }

  std::optional<std::size_t> free_connection() {
    if (m_free.empty()) {
      m_free.push_back(m_connections.size());
      m_connections.emplace_back();
    }
    const std::size_t index = m_free.back();
    if (!m_connections[index].is_open() && !connect(index)) {
      m_retry_at_ns = now() + k_retry_ns;
      return std::nullopt;
    }
    m_free.pop_back();
    return index;
  }

  // ---- connections --------------------------------------------------------------------------------------

  Result<void> connect_first() {
    m_start_ns = system_clock().monotonic_ns();
    m_connections.emplace_back();
    m_free.push_back(0);
    if (connect(0)) {
      // Of a run that measures connections the first one is measured like the others.
      if (m_plan.fresh_connections) m_connections[0].close();
      return {};
    }
    if (m_connect_error == EAGAIN) return {};
    return fail_errno(ErrorCode::daemon_unreachable, m_connect_error,
                      fmt::format("can't connect to {}", m_plan.socket.string()));
  }

  bool connect(std::size_t index) {
    const std::int64_t before_ns = now();
    m_connect_error = m_connections[index].open(m_address, *m_poller, index);
    if (m_connect_error != 0) return false;
    m_connect_ns = now() - before_ns; // of the request that it is opened for
    return true;
  }

  // ---- replies ------------------------------------------------------------------------------------------

  void receive(std::size_t index) {
    Connection& connection = m_connections[index];
    if (!connection.is_busy())
      return connection.close(); // an idle one that the daemon closed; stays in m_free
    const std::int64_t at_ns = now();
    switch (connection.receive(m_buffer, m_run.samples[connection.sample()], at_ns)) {
    case ReplyState::partial:
      return;
    case ReplyState::whole:
      return answered(index, at_ns);
    case ReplyState::broken:
      return break_off(index, connection.problem());
    }
  }

  void answered(std::size_t index, std::int64_t at_ns) {
    Connection& connection = m_connections[index];
    Sample& sample = m_run.samples[connection.sample()];
    sample.done_ns = at_ns;
    sample.http_status = connection.status();
    note_answer(sample);
    std::string body = connection.take_body();
    m_unread_bytes += body.size();
    m_unread.push_back({connection.sample(), std::move(body)});
    release(index, connection.end() && !m_plan.fresh_connections);
  }

  void break_off(std::size_t index, const std::string& why) {
    Sample& sample = m_run.samples[m_connections[index].sample()];
    sample.done_ns = now();
    sample.outcome = Outcome::unanswered;
    sample.problem = why;
    note_answer(sample);
    m_connections[index].end();
    release(index, false);
  }

  void note_answer(const Sample& sample) {
    m_last_answer_ns = std::max(m_last_answer_ns, sample.done_ns);
    ++m_answered;
    ++m_answered_since;
    m_latency_since_ns += static_cast<double>(sample.latency_ns());
  }

  void release(std::size_t index, bool keep) {
    --m_in_flight;
    if (!keep) m_connections[index].close();
    m_free.push_back(index);
  }

  void read_one_reply() {
    if (m_unread.empty()) return;
    Unread unread = std::move(m_unread.front());
    m_unread.pop_front();
    m_unread_bytes -= unread.body.size();
    Sample& sample = m_run.samples[unread.sample];
    read_reply(sample.http_status, unread.body, sample);
  }
  void read_all_replies() {
    while (!m_unread.empty())
      read_one_reply();
  }

  // ---- waiting ------------------------------------------------------------------------------------------

  std::int64_t time_to_next() const {
    const std::int64_t at = now();
    std::int64_t next = m_next_look_ns;
    if (open_loop() && !m_stopped && m_next_due < m_plan.schedule.size())
      next = std::min(next, std::max(m_plan.schedule[m_next_due], m_retry_at_ns));
    if (!open_loop() && m_in_flight < m_plan.concurrency && !nothing_more_due())
      next = std::min(next, m_retry_at_ns);
    return std::max<std::int64_t>(0, next - at);
  }

  Result<void> wait(std::int64_t wait_ns) {
    MRUN_ASSIGN(const auto events, m_poller->wait(wait_ns));
    for (const epoll_event& event : events)
      handle(event);
    return {};
  }

  void handle(const epoll_event& event) {
    if (event.data.u64 == k_interrupt) {
      m_run.interrupted = true;
      return;
    }
    const std::size_t index = event.data.u64;
    Connection& connection = m_connections[index];
    if (!connection.is_open()) return; // closed earlier in this turn
    if ((event.events & EPOLLOUT) != 0 && connection.is_busy()) connection.send();
    if ((event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) receive(index);
  }

  // Ten times a second: deadlines, progress, saturation.
  void look_around() {
    const std::int64_t at = now();
    if (at < m_next_look_ns) return;
    m_next_look_ns = at + k_progress_ns;
    for (std::size_t i = 0; i < m_connections.size(); ++i)
      if (m_connections[i].is_busy() && at >= m_connections[i].deadline_ns())
        break_off(i, fmt::format("no answer within {}", format_duration(m_plan.timeout_ns)));
    if (m_plan.on_progress) m_plan.on_progress(at, m_answered);
    if (m_plan.stop_when_saturated && at >= m_next_watch_ns && !m_stopped) watch_saturation(at);
  }

  void watch_saturation(std::int64_t at) {
    m_next_watch_ns = at + SaturationWatch::k_period_ns;
    if (m_answered_since == 0) return;
    m_watch.add(static_cast<double>(m_in_flight), m_latency_since_ns / static_cast<double>(m_answered_since));
    m_answered_since = 0;
    m_latency_since_ns = 0;
    if (!m_watch.saturated()) return;
    m_run.saturated = true;
    m_stopped = true;
    m_drain_until_ns = at + k_drain_ns;
  }

  struct Unread {
    std::size_t sample;
    std::string body;
  };

  const LoadPlan& m_plan;
  sockaddr_un m_address{};
  Poller* m_poller = nullptr; // of run()
  std::deque<Connection> m_connections;
  std::vector<std::size_t> m_free; // used from the back: the connection that is warm
  std::vector<char> m_buffer = std::vector<char>(k_read_bytes);
  LoadRun m_run;
  std::deque<Unread> m_unread;
  std::size_t m_unread_bytes = 0;
  std::size_t m_next_due = 0;
  std::size_t m_in_flight = 0;
  std::size_t m_answered = 0;
  std::size_t m_answered_since = 0;
  double m_latency_since_ns = 0;
  std::int64_t m_start_ns = 0;
  std::int64_t m_last_answer_ns = 0;
  std::int64_t m_retry_at_ns = 0;
  std::int64_t m_next_look_ns = 0;
  std::int64_t m_next_watch_ns = 0;
  std::int64_t m_drain_until_ns = 0;
  int m_connect_error = 0;
  std::int64_t m_connect_ns = -1; // of the connection that was just opened
  SaturationWatch m_watch;
  bool m_stopped = false;
};

} // namespace

Result<LoadRun> run_load(const LoadPlan& plan) {
  return Generator(plan).run();
}

std::int64_t late_send_p99_ns(const LoadRun& run) {
  Samples late;
  for (const Sample& sample : run.samples)
    late.push_back(static_cast<double>(sample.sent_ns - sample.scheduled_ns));
  if (late.empty()) return 0;
  return static_cast<std::int64_t>(quantile_of(std::move(late), 0.99));
}

} // namespace mrun::bench
