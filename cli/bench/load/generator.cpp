#include "cli/bench/load/generator.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>

#include <boost/asio/buffer.hpp>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/bench/load/saturation.h"
#include "cli/client/reply_limit.h"
#include "cli/client/reply_parser.h"
#include "cli/client/sse_parser.h"
#include "common/clock.h"
#include "common/fd.h"
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

// One connection, and the request that it carries.
struct Slot {
  UniqueFd fd;
  bool busy = false;
  bool wants_write = false; // registered for EPOLLOUT
  std::size_t sample = 0;
  const std::string* request = nullptr;
  std::size_t sent_bytes = 0;
  std::int64_t deadline_ns = 0;
  std::int64_t connect_ns = -1;
  std::optional<cli::ReplyParser> parser;
  std::optional<cli::SseParser> events; // of a streamed reply
  std::string unparsed;
  std::string done; // the data of `done`
};

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
    const PreciseTimers timers;
    MRUN_ASSIGN(m_address, socket_address(m_plan.socket));
    m_epoll.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!m_epoll) return fail_errno(ErrorCode::resources, errno, "can't make an epoll descriptor");
    if (m_plan.interrupt_fd >= 0) watch(m_plan.interrupt_fd, EPOLLIN, k_interrupt, EPOLL_CTL_ADD);
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
    const std::optional<std::size_t> index = free_slot();
    if (!index && is_gone(m_connect_error)) note_gone(scheduled_ns);
    if (!index) return false;
    Slot& slot = m_slots[*index];
    slot.busy = true;
    slot.sample = m_run.samples.size();
    slot.request = &m_plan.requests[(m_plan.first_request + slot.sample) % m_plan.requests.size()];
    slot.sent_bytes = 0;
    slot.deadline_ns = now() + m_plan.timeout_ns;
    slot.parser.emplace();
    slot.events.reset();
    slot.unparsed.clear();
    slot.done.clear();
    ++m_in_flight;
    Sample sample;
    sample.scheduled_ns = scheduled_ns;
    sample.connect_ns = std::exchange(slot.connect_ns, -1);
    sample.sent_ns = now();
    m_run.samples.push_back(std::move(sample));
    send(*index);
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

  std::optional<std::size_t> free_slot() {
    while (!m_free.empty()) {
      const std::size_t index = m_free.back();
      m_free.pop_back();
      if (m_slots[index].fd) return index;
      if (connect(index)) return index;
      m_free.push_back(index);
      m_retry_at_ns = now() + k_retry_ns;
      return std::nullopt;
    }
    m_slots.emplace_back();
    m_free.push_back(m_slots.size() - 1);
    return free_slot();
  }

  // ---- connections --------------------------------------------------------------------------------------

  Result<void> connect_first() {
    m_start_ns = system_clock().monotonic_ns();
    m_slots.emplace_back();
    m_free.push_back(0);
    if (connect(0)) {
      // Of a run that measures connections the first one is measured like the others.
      if (m_plan.fresh_connections) m_slots[0].fd.reset();
      return {};
    }
    if (m_connect_error == EAGAIN) return {};
    return fail_errno(ErrorCode::daemon_unreachable, m_connect_error,
                      fmt::format("can't connect to {}", m_plan.socket.string()));
  }

  bool connect(std::size_t index) {
    Slot& slot = m_slots[index];
    const std::int64_t before_ns = now();
    slot.fd.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!slot.fd ||
        ::connect(slot.fd.get(), reinterpret_cast<const sockaddr*>(&m_address), sizeof m_address) < 0) {
      m_connect_error = errno;
      slot.fd.reset();
      return false;
    }
    slot.connect_ns = now() - before_ns;
    slot.wants_write = false;
    watch(slot.fd.get(), EPOLLIN | EPOLLRDHUP, index, EPOLL_CTL_ADD);
    return true;
  }

  void watch(int fd, std::uint32_t events, std::uint64_t key, int operation) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = key;
    MRUN_CHECK(::epoll_ctl(m_epoll.get(), operation, fd, &event) == 0);
  }

  void send(std::size_t index) {
    Slot& slot = m_slots[index];
    while (slot.sent_bytes < slot.request->size()) {
      const ssize_t sent = ::send(slot.fd.get(), slot.request->data() + slot.sent_bytes,
                                  slot.request->size() - slot.sent_bytes, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return set_writing(index, true);
      // A daemon that refuses early has said why: its words are read, the broken pipe is not reported.
      if (sent < 0) break;
      slot.sent_bytes += static_cast<std::size_t>(sent);
    }
    set_writing(index, false);
  }

  void set_writing(std::size_t index, bool writing) {
    Slot& slot = m_slots[index];
    if (slot.wants_write == writing) return;
    slot.wants_write = writing;
    watch(slot.fd.get(), EPOLLIN | EPOLLRDHUP | (writing ? EPOLLOUT : 0U), index, EPOLL_CTL_MOD);
  }

  // ---- replies ------------------------------------------------------------------------------------------

  void receive(std::size_t index) {
    Slot& slot = m_slots[index];
    const ssize_t got = ::recv(slot.fd.get(), m_buffer.data(), m_buffer.size(), 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (!slot.busy) return lose(index); // an idle connection that the daemon closed
    const std::int64_t at_ns = now();
    if (got < 0) return break_off(index, std::strerror(errno));
    if (got == 0) return break_off(index, "the connection was closed without a reply");
    Sample& sample = m_run.samples[slot.sample];
    if (sample.first_byte_ns < 0) sample.first_byte_ns = at_ns;
    slot.unparsed.append(m_buffer.data(), static_cast<std::size_t>(got));
    parse(index, at_ns);
  }

  void parse(std::size_t index, std::int64_t at_ns) {
    Slot& slot = m_slots[index];
    while (!slot.unparsed.empty() && !slot.parser->is_done()) {
      boost::beast::error_code error;
      const std::size_t used = slot.parser->put(boost::asio::buffer(slot.unparsed), error);
      slot.unparsed.erase(0, used);
      if (error && error != boost::beast::http::error::need_more) return break_off(index, error.message());
      if (error || used == 0) break;
    }
    if (slot.parser->body.size() > cli::k_max_reply_bytes) return break_off(index, "the reply is too large");
    if (slot.parser->is_header_done() && !follow_events(slot, at_ns))
      return break_off(index, "an event is too large");
    if (slot.parser->is_done()) answered(index, at_ns);
  }

  // Events of a streamed reply are taken apart as they come: the first output's time counts.
  bool follow_events(Slot& slot, std::int64_t at_ns) {
    if (slot.parser->head.status >= 400 ||
        !slot.parser->head.header("content-type").starts_with("text/event-stream"))
      return true;
    if (!slot.events) slot.events.emplace();
    if (!slot.events->feed(std::exchange(slot.parser->body, {}))) return false;
    Sample& sample = m_run.samples[slot.sample];
    while (auto event = slot.events->next()) {
      if (event->type == "output" && sample.first_output_ns < 0) sample.first_output_ns = at_ns;
      if (event->type == "done" || event->type == "error") slot.done = std::move(event->data);
    }
    return true;
  }

  void answered(std::size_t index, std::int64_t at_ns) {
    Slot& slot = m_slots[index];
    Sample& sample = m_run.samples[slot.sample];
    sample.done_ns = at_ns;
    sample.http_status = slot.parser->head.status;
    note_answer(sample);
    std::string body = slot.events ? std::move(slot.done) : std::move(slot.parser->body);
    m_unread_bytes += body.size();
    m_unread.push_back({slot.sample, std::move(body)});
    const bool keep = slot.parser->keep_alive() && !m_plan.fresh_connections;
    release(index, keep);
  }

  void break_off(std::size_t index, std::string_view why) {
    Sample& sample = m_run.samples[m_slots[index].sample];
    sample.done_ns = now();
    sample.outcome = Outcome::unanswered;
    sample.problem = printable(why);
    note_answer(sample);
    release(index, false);
  }

  void note_answer(const Sample& sample) {
    m_last_answer_ns = std::max(m_last_answer_ns, sample.done_ns);
    ++m_answered;
    ++m_answered_since;
    m_latency_since_ns += static_cast<double>(sample.latency_ns());
  }

  void release(std::size_t index, bool keep) {
    m_slots[index].busy = false;
    --m_in_flight;
    if (!keep) m_slots[index].fd.reset(); // which takes it out of epoll
    m_free.push_back(index);
  }
  void lose(std::size_t index) { m_slots[index].fd.reset(); } // stays in m_free

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
    const timespec time{wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
    epoll_event events[64];
    int ready = ::epoll_pwait2(m_epoll.get(), events, 64, &time, nullptr);
    if (ready < 0 && errno == ENOSYS) // Linux before 5.11
      ready = ::epoll_wait(m_epoll.get(), events, 64, static_cast<int>(wait_ns / 1'000'000));
    if (ready < 0 && errno == EINTR) return {};
    if (ready < 0) return fail_errno(ErrorCode::resources, errno, "can't wait for replies");
    for (int i = 0; i < ready; ++i)
      handle(events[i]);
    return {};
  }

  void handle(const epoll_event& event) {
    if (event.data.u64 == k_interrupt) {
      m_run.interrupted = true;
      return;
    }
    const std::size_t index = event.data.u64;
    if (!m_slots[index].fd) return; // closed earlier in this turn
    if ((event.events & EPOLLOUT) != 0 && m_slots[index].busy) send(index);
    if ((event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) receive(index);
  }

  // Ten times a second: deadlines, progress, saturation.
  void look_around() {
    const std::int64_t at = now();
    if (at < m_next_look_ns) return;
    m_next_look_ns = at + k_progress_ns;
    for (std::size_t i = 0; i < m_slots.size(); ++i)
      if (m_slots[i].busy && at >= m_slots[i].deadline_ns)
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
  UniqueFd m_epoll;
  std::deque<Slot> m_slots;
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
