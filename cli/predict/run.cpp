#include "cli/predict/run.h"

#include <fmt/format.h>

#include "cli/client/daemon_client.h"
#include "cli/client/interrupt.h"
#include "cli/predict/ending.h"
#include "cli/predict/event_loop.h"
#include "cli/predict/request.h"
#include "cli/predict/retry.h"

namespace mrun::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

// One prediction, tried as often as --retry allows.
class OnePrediction {
 public:
  OnePrediction(Context& context, const PredictTarget& target, const PredictOptions& options)
      : m_context(context),
        m_target(target),
        m_options(options) {}

  // Until everything is ready a Ctrl-C has nothing to cancel, and simply ends the process.
  Result<int> run() {
    const Manifest& manifest = m_target.bundle.manifest;
    MRUN_ASSIGN(const RequestOptions request, request_options(m_target, m_options));
    MRUN_ASSIGN(Json input, typed_input(manifest, m_options.inputs));
    MRUN_ASSIGN(OutputSink sink, OutputSink::create(m_context, manifest.output, m_options.output));
    MRUN_ASSIGN(PreparedInput prepared, prepare_input(manifest, std::move(input)));
    if (m_options.timeout) m_deadline = SteadyClock::now() + *m_options.timeout;
    auto reached = DaemonClient::connect(m_context, Start::if_needed, {.deadline = m_deadline});
    if (!reached) return or_late(std::move(reached).error());
    DaemonClient client = std::move(*reached);
    MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
    client.set_patience({m_deadline, interrupt.fd()});
    Retry retry(m_options.retries);
    while (true) {
      Result<EventLoopResult> result = attempt(client, request, prepared, sink, interrupt);
      const std::optional<Error> error = error_of(result);
      const bool may_retry = error && !sink.has_shown() && interrupt.exit_code() == 0;
      const auto wait = may_retry ? retry.next(*error, client.retry_after()) : std::nullopt;
      if (!wait || !has_time(*wait)) return finish(client, result, sink, interrupt);
      sink.abandon();
      m_context.say(again_words(*wait, *error));
      if (wait_readable(interrupt.fd(), SteadyClock::now() + *wait, -1) == Wake::readable)
        return interrupt.exit_code();
    }
  }

 private:
  Result<EventLoopResult> attempt(DaemonClient& client, const RequestOptions& options,
                                  PreparedInput& prepared, OutputSink& sink,
                                  const InterruptGuard& interrupt) const {
    const Result<void> begun = begin(client, options, prepared);
    // No id yet, so nothing to cancel by: what may have begun ends with the connection.
    if (!begun && begun.error().code == ErrorCode::interrupted_by_user)
      return EventLoopResult{{{"status", "canceled"}}, interrupt.exit_code()};
    if (!begun) return or_late(begun.error());
    return follow_prediction(m_context, client, sink, interrupt,
                             {.model = m_target.shown_name,
                              .timeout = m_options.timeout,
                              .deadline = m_deadline,
                              .print_id = m_options.print_id});
  }

  static Result<void> begin(DaemonClient& client, const RequestOptions& options, PreparedInput& prepared) {
    MRUN_ASSIGN(HttpRequest request, prediction_request(client, options, prepared, Answer::events));
    MRUN_TRY(client.open(std::move(request)));
    return {};
  }

  tl::unexpected<Error> or_late(Error error) const {
    const bool is_late = m_deadline && SteadyClock::now() >= *m_deadline;
    if (!is_late || error.code != ErrorCode::daemon_unreachable)
      return tl::unexpected<Error>(std::move(error));
    return no_answer_in(*m_options.timeout);
  }

  std::optional<Error> error_of(const Result<EventLoopResult>& result) const {
    if (!result) return result.error();
    if (result->prediction.value("status", std::string()) == "succeeded") return std::nullopt;
    return error_of_end(result->prediction, m_target.shown_name);
  }

  bool has_time(std::chrono::milliseconds wait) const {
    return !m_deadline || SteadyClock::now() + wait < *m_deadline;
  }

  Result<int> finish(DaemonClient& client, Result<EventLoopResult>& result, OutputSink& sink,
                     const InterruptGuard& interrupt) {
    if (!result) {
      sink.abandon();
      return tl::unexpected<Error>(std::move(result).error());
    }
    MRUN_ASSIGN(const int exit_code, show_end(m_context, *result, sink,
                                              {.model = m_target.shown_name,
                                               .timings = m_options.timings,
                                               .interrupt_fd = interrupt.fd()}));
    client.set_patience({.interrupt_fd = interrupt.fd()});
    client.settle_build_skew();
    return exit_code;
  }

  Context& m_context;
  const PredictTarget& m_target;
  const PredictOptions& m_options;
  Deadline m_deadline;
};

} // namespace

Result<RequestOptions> request_options(const PredictTarget& target, const PredictOptions& options) {
  RequestOptions request{target.bundle.digest, options.device, {}};
  for (const std::string& text : options.tags)
    MRUN_TRY(add_tag(request.tags, text));
  return request;
}

Result<int> run_prediction(Context& context, const PredictTarget& target, const PredictOptions& options) {
  Result<int> done = OnePrediction(context, target, options).run();
  if (done) return done;
  return tl::unexpected<Error>(about_model(std::move(done).error(), target.shown_name));
}

} // namespace mrun::cli
