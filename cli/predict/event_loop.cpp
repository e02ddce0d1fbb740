#include "cli/predict/event_loop.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/client/interrupt.h"
#include "cli/client/reply_limit.h"
#include "cli/client/sse_parser.h"
#include "cli/predict/progress.h"
#include "common/text.h"
#include "daemon/api/prediction.h"

namespace mrun::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

// After Ctrl-C: the daemon's own ladder (cancel, SIGTERM, SIGKILL) fits into this.
constexpr std::chrono::seconds k_cancel_wait{15};
constexpr std::chrono::seconds k_cancel_request_wait{2};

class EventLoop {
 public:
  EventLoop(Context& context, DaemonClient& client, OutputSink& sink, const EventLoopOptions& options)
      : m_context(context),
        m_client(client),
        m_sink(sink),
        m_options(options),
        m_progress(context, options.model, SteadyClock::now()) {
    if (options.timeout) m_deadline = SteadyClock::now() + *options.timeout;
  }

  Result<EventLoopResult> run() {
    MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
    SseParser parser;
    while (true) {
      std::string bytes;
      const int interrupt_fd = m_interrupted ? -1 : interrupt.fd();
      MRUN_ASSIGN(const ReadResult read, m_client.connection().read(bytes, next_wake(), interrupt_fd));
      if (read == ReadResult::interrupted) on_interrupt(interrupt.exit_code());
      if (read == ReadResult::timed_out) MRUN_TRY(on_wake());
      MRUN_TRY(parser.feed(bytes));
      while (const auto event = parser.next()) {
        MRUN_TRY(on_event(*event));
        if (m_done) return EventLoopResult{std::move(m_prediction), m_interrupted ? m_exit_code : 0};
      }
      if (m_context.terminal.out_closed()) return reader_left();
      if (read == ReadResult::end)
        return fail(ErrorCode::daemon_unreachable, "the event stream ended before the prediction did",
                    m_id.empty() ? "" : fmt::format("see `mrun logs {}`", m_id));
    }
  }

 private:
  Deadline next_wake() const {
    Deadline wake = m_deadline;
    const auto tick = m_progress.next_tick();
    if (tick != LoadProgress::Time::max() && (!wake || tick < *wake)) wake = tick;
    return wake;
  }

  Result<void> on_wake() {
    const auto now = SteadyClock::now();
    if (!m_deadline || now < *m_deadline) {
      m_progress.tick(now);
      return {};
    }
    m_progress.clear();
    if (m_interrupted) return fail(ErrorCode::client_timeout, "the prediction did not end after the cancel");
    ask_to_cancel();
    const std::int64_t limit_ns = m_options.timeout ? m_options.timeout->count() : 0;
    return fail(ErrorCode::client_timeout,
                fmt::format("no result after {}, the prediction was canceled", format_duration(limit_ns)));
  }

  void on_interrupt(int exit_code) {
    m_progress.clear();
    m_interrupted = true;
    m_exit_code = exit_code;
    m_deadline = SteadyClock::now() + k_cancel_wait;
    ask_to_cancel();
  }

  // On a connection of its own: the stream's is in use. Should it fail, closing the stream cancels as well.
  void ask_to_cancel() const {
    if (m_id.empty()) return;
    auto client = DaemonClient::connect(m_context, Start::never);
    if (!client) return;
    static_cast<void>(client->post(fmt::format("/v1/predictions/{}/cancel", m_id), Json::object(),
                                   SteadyClock::now() + k_cancel_request_wait));
  }

  // `| head` has seen enough: ended quietly, and nothing goes on running for nobody.
  Result<EventLoopResult> reader_left() {
    m_progress.clear();
    ask_to_cancel();
    return EventLoopResult{{{"id", m_id}, {"status", "succeeded"}}, 0};
  }

  Result<void> on_event(const SseEvent& event) {
    EventType type{};
    const bool broken = event.type == "error";               // the daemon can't go on recording it
    if (!broken && !find_event(event.type, type)) return {}; // a newer daemon's
    MRUN_ASSIGN(Json data, parse_json(event.data, ErrorCode::daemon_unreachable, "an event of the daemon",
                                      {.max_bytes = k_max_reply_bytes}));
    if (!data.is_object())
      return fail(ErrorCode::daemon_unreachable, "an event of the daemon is not an object");
    if (broken) {
      m_progress.clear();
      auto error = error_of_problem(data);
      if (!error) return fail(ErrorCode::daemon_unreachable, "the daemon sent an error that is none");
      return tl::unexpected<Error>(std::move(*error));
    }
    switch (type) {
    case EventType::queued:
      return on_queued(data);
    case EventType::phase:
      m_progress.phase(data.value("phase", std::string()), SteadyClock::now());
      return {};
    case EventType::started:
      m_progress.clear();
      return {};
    case EventType::output:
      m_progress.clear();
      return m_sink.value(data.contains("value") ? data["value"] : data);
    case EventType::log:
      on_log(data);
      return {};
    case EventType::metric:
      return {};
    case EventType::done:
      break;
    }
    m_progress.clear();
    m_prediction = std::move(data);
    m_done = true;
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

  void on_log(const Json& data) {
    const auto text = data.find("text");
    if (!m_context.verbose || text == data.end() || !text->is_string()) return;
    for (const std::string_view line : split(trim(text->get_ref<const std::string&>()), '\n'))
      m_context.terminal.err(
          fmt::format("{} {}\n", m_context.terminal.paint_err(Style::dim, "log:"), printable(line, 2000)));
  }

  Context& m_context;
  DaemonClient& m_client;
  OutputSink& m_sink;
  const EventLoopOptions& m_options;
  LoadProgress m_progress;
  Deadline m_deadline;
  std::string m_id;
  Json m_prediction;
  bool m_done = false;
  bool m_interrupted = false;
  int m_exit_code = 0;
};

} // namespace

Result<EventLoopResult> follow_prediction(Context& context, DaemonClient& client, OutputSink& sink,
                                          const EventLoopOptions& options) {
  return EventLoop(context, client, sink, options).run();
}

} // namespace mrun::cli
