#include "cli/predict/event_loop.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/predict/progress.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds k_cancel_request_wait{2};

class EventLoop {
 public:
  EventLoop(Context& context, DaemonClient& client, OutputSink& sink, const InterruptGuard& interrupt,
            const EventLoopOptions& options)
      : m_context(context),
        m_sink(sink),
        m_interrupt(interrupt),
        m_options(options),
        m_stream(client),
        m_progress(context, options.model, SteadyClock::now()),
        m_deadline(options.deadline) {}

  Result<EventLoopResult> run() {
    while (true) {
      StreamEvent event;
      const int interrupt_fd = m_interrupted ? -1 : m_interrupt.fd();
      auto got = m_stream.next(event, next_wake(), interrupt_fd);
      if (!got) return broken(std::move(got).error());
      if (*got == EventStream::Got::interrupted) {
        if (!m_options.is_ours) return leave(m_interrupt.exit_code());
        on_interrupt();
      }
      if (*got == EventStream::Got::timed_out) {
        if (is_late() && !m_options.is_ours) return leave(0);
        MRUN_TRY(on_wake());
      }
      if (*got == EventStream::Got::event) MRUN_TRY(on_event(event));
      if (m_done) return EventLoopResult{std::move(m_prediction), m_interrupted ? m_exit_code : 0};
      if (m_context.terminal.out_closed()) return reader_left();
    }
  }

 private:
  tl::unexpected<Error> broken(Error error) {
    m_progress.clear();
    if (error.code == ErrorCode::daemon_unreachable && error.hint.empty() && !m_id.empty())
      error.hint = fmt::format("see `mrun logs {}`", m_id);
    return tl::unexpected<Error>(std::move(error));
  }

  Deadline next_wake() const {
    Deadline wake = m_deadline;
    const auto tick = m_progress.next_tick();
    if (tick != LoadProgress::Time::max() && (!wake || tick < *wake)) wake = tick;
    return wake;
  }

  bool is_late() const { return m_deadline && SteadyClock::now() >= *m_deadline; }

  Result<void> on_wake() {
    if (!is_late()) {
      m_progress.tick(SteadyClock::now());
      return {};
    }
    m_progress.clear();
    if (m_interrupted)
      return fail(ErrorCode::interrupted_by_user, "the daemon does not say that the prediction was canceled",
                  m_id.empty() ? "see `mrun predictions`" : fmt::format("see `mrun predictions {}`", m_id));
    return fail(ErrorCode::client_timeout,
                cancel_words(m_options.timeout.value_or(std::chrono::nanoseconds(0)),
                             ask_to_cancel(m_context, m_id, m_interrupt.fd())));
  }

  void on_interrupt() {
    m_progress.clear();
    m_interrupted = true;
    m_exit_code = m_interrupt.exit_code();
    const bool is_heard = ask_to_cancel(m_context, m_id);
    m_deadline = SteadyClock::now() + (is_heard ? k_cancel_wait : std::chrono::seconds(0));
  }

  // It goes on without us.
  EventLoopResult leave(int exit_code) {
    m_progress.clear();
    return {{{"id", m_id}, {"status", m_started ? "processing" : "starting"}}, exit_code, true};
  }

  // `| head` has seen enough: ended quietly, and nothing goes on running for nobody.
  Result<EventLoopResult> reader_left() {
    m_progress.clear();
    if (!m_options.is_ours) return leave(0);
    ask_to_cancel(m_context, m_id);
    return EventLoopResult{{{"id", m_id}, {"status", "succeeded"}}, 0};
  }

  Result<void> on_event(StreamEvent& event) {
    Json& data = event.data;
    if (event.type == EventType::queued) MRUN_TRY(on_queued(data));
    if (m_context.stream) MRUN_TRY(m_context.terminal.out(event_line(event, m_id)));
    if (event.type != EventType::queued && event.type != EventType::phase) m_progress.clear();
    switch (event.type) {
    case EventType::phase:
      m_progress.phase(data.value("phase", std::string()), SteadyClock::now());
      break;
    case EventType::started:
      m_started = true;
      break;
    case EventType::output:
      return m_sink.value(data.contains("value") ? data["value"] : data);
    case EventType::log:
      show_log(m_context, data);
      break;
    case EventType::done:
      m_prediction = std::move(data);
      m_done = true;
      break;
    case EventType::queued:
    case EventType::metric:
      break;
    }
    return {};
  }

  Result<void> on_queued(const Json& data) {
    MRUN_ASSIGN(m_id, need_string(data, "id", ErrorCode::daemon_unreachable, "the `queued` event"));
    if (!is_prediction_id(m_id))
      return fail(ErrorCode::daemon_unreachable, "the daemon sent an id that is none");
    if (m_options.print_id) m_context.terminal.err(m_id + "\n");
    m_progress.phase("queue", SteadyClock::now());
    return {};
  }

  Context& m_context;
  OutputSink& m_sink;
  const InterruptGuard& m_interrupt;
  const EventLoopOptions& m_options;
  EventStream m_stream;
  LoadProgress m_progress;
  Deadline m_deadline;
  std::string m_id;
  Json m_prediction;
  bool m_started = false;
  bool m_done = false;
  bool m_interrupted = false;
  int m_exit_code = 0;
};

} // namespace

Result<EventLoopResult> follow_prediction(Context& context, DaemonClient& client, OutputSink& sink,
                                          const InterruptGuard& interrupt, const EventLoopOptions& options) {
  return EventLoop(context, client, sink, interrupt, options).run();
}

bool ask_to_cancel(const Context& context, const std::string& id, int interrupt_fd) {
  if (id.empty()) return true;
  const Patience patience{SteadyClock::now() + k_cancel_request_wait, interrupt_fd};
  auto client = DaemonClient::connect(context, Start::never, patience);
  if (!client) return false;
  const auto asked = client->post(fmt::format("/v1/predictions/{}/cancel", id), Json::object());
  return asked || (asked.error().code != ErrorCode::daemon_unreachable &&
                   asked.error().code != ErrorCode::interrupted_by_user);
}

std::string cancel_words(std::chrono::nanoseconds limit, bool is_heard) {
  return fmt::format("no result after {}, {}", format_duration(limit.count()),
                     is_heard ? "the prediction was canceled" : "and the daemon does not answer");
}

tl::unexpected<Error> no_answer_in(std::chrono::nanoseconds limit) {
  return fail(ErrorCode::client_timeout,
              fmt::format("no answer of the daemon after {}", format_duration(limit.count())),
              "see `mrun daemon status`");
}

void show_log(const Context& context, const Json& data) {
  const auto text = data.find("text");
  if (!context.verbose || text == data.end() || !text->is_string()) return;
  for (const std::string_view line : split(trim(text->get_ref<const std::string&>()), '\n'))
    context.terminal.err(
        fmt::format("{} {}\n", context.terminal.paint_err(Style::dim, "log:"), printable(line, 2000)));
}

} // namespace mrun::cli
