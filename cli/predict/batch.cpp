#include "cli/predict/batch.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <list>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <poll.h>

#include "cli/client/event_stream.h"
#include "cli/client/interrupt.h"
#include "cli/predict/batch_inputs.h"
#include "cli/predict/ending.h"
#include "cli/predict/event_loop.h"
#include "cli/predict/retry.h"
#include "cli/render/errors.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

// What waits for its turn to be shown; with more no other is started.
constexpr std::size_t k_max_held_bytes = 64 * k_mib;
constexpr std::size_t k_max_waiting = 1024;
constexpr int k_unreachable_exit_code = 6;

// A prediction under way, or waiting to be tried again.
struct Lane {
  std::size_t index = 0;
  std::string place;
  PreparedInput input;
  Retry retry;
  Deadline deadline;
  std::unique_ptr<DaemonClient> client = nullptr;
  std::unique_ptr<EventStream> stream = nullptr; // none while it waits to be tried again
  Deadline again_at = std::nullopt;
  std::string id = {};
  std::vector<Json> values = {}; // of one whose turn has not come
  bool has_shown = false;
  bool has_ended = false;
};

// A prediction that has ended and waits for its turn.
struct Ended {
  std::string place;
  std::optional<Error> error = std::nullopt; // why there is no prediction
  Json prediction = nullptr;                 // the data of `done`
  std::vector<Json> values = {};
  std::size_t size_bytes = 0;
};

class Batch {
 public:
  Batch(Context& context, const PredictTarget& target, const PredictOptions& options, RequestOptions request,
        BatchInputs inputs, const InterruptGuard& interrupt)
      : m_context(context),
        m_target(target),
        m_options(options),
        m_request(std::move(request)),
        m_inputs(std::move(inputs)),
        m_interrupt(interrupt) {}

  Result<int> run() {
    MRUN_TRY(open_sink());
    while (true) {
      start_more();
      if (m_interrupt.exit_code() != 0) return leave(m_interrupt.exit_code());
      // Before waiting: the answer may have come together with the head of the reply, and nothing follows
      // then.
      for (Lane& lane : m_lanes)
        MRUN_TRY(step(lane));
      MRUN_TRY(show_ended());
      forget_ended();
      if (m_interrupt.exit_code() != 0) return leave(m_interrupt.exit_code());
      if (m_lanes.empty() && !may_start()) break;
      if (m_context.terminal.out_closed()) return leave(m_exit_code);
      MRUN_TRY(wait());
      if (m_interrupt.exit_code() != 0) return leave(m_interrupt.exit_code());
    }
    if (m_next == 0) return fail(ErrorCode::input_file, "the input of --inputs has no input in it");
    m_context.terminal.clear_status();
    say_sum();
    return m_exit_code;
  }

 private:
  void forget_ended() {
    std::erase_if(m_lanes, [](const Lane& lane) { return lane.has_ended; });
  }
  bool may_start() const { return !m_inputs_ended && !m_is_stopping; }

  bool wants_input() const {
    return may_start() && m_lanes.size() < static_cast<std::size_t>(m_options.jobs) &&
           m_ended.size() < k_max_waiting && m_held_bytes < k_max_held_bytes;
  }

  void start_more() {
    while (wants_input() && m_inputs.is_ready() && m_interrupt.exit_code() == 0) {
      std::optional<BatchInput> next = m_inputs.next();
      m_inputs_ended = !next;
      if (!next) return;
      const std::size_t index = m_next++;
      if (next->input)
        if (Result<void> is_free = check_place(index); !is_free)
          next->input = tl::unexpected<Error>(std::move(is_free).error());
      if (!next->input) {
        end(index, {.place = next->place, .error = std::move(next->input).error()});
        continue;
      }
      Lane& lane = m_lanes.emplace_back(
          Lane{index, std::move(next->place), std::move(*next->input), Retry(m_options.retries), {}});
      if (m_options.timeout) lane.deadline = SteadyClock::now() + *m_options.timeout;
      begin(lane);
      if (lane.has_ended) m_lanes.pop_back();
    }
  }

  // Nothing is computed for an output that has no place.
  Result<void> check_place(std::size_t index) const {
    OutputOptions output = m_options.output;
    output.number = index;
    return check_known_target(m_target.bundle.manifest.output, output);
  }

  void begin(Lane& lane) {
    lane.again_at.reset();
    Result<void> begun = try_to_begin(lane);
    if (begun) return;
    if (begun.error().code == ErrorCode::interrupted_by_user)
      lane.has_ended = true; // as all do now
    else if (begun.error().code == ErrorCode::daemon_unreachable && is_late(lane))
      time_out(lane, no_answer_in(*m_options.timeout).value());
    else
      fall(lane, std::move(begun).error(), nullptr);
  }

  static bool is_late(const Lane& lane) { return lane.deadline && SteadyClock::now() >= *lane.deadline; }

  Result<void> try_to_begin(Lane& lane) {
    const Patience patience{lane.deadline, m_interrupt.fd()};
    MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(m_context, Start::if_needed, patience));
    lane.client = std::make_unique<DaemonClient>(std::move(client));
    MRUN_ASSIGN(HttpRequest request, prediction_request(*lane.client, m_request, lane.input, Answer::events));
    MRUN_TRY(lane.client->open(std::move(request)));
    lane.stream = std::make_unique<EventStream>(*lane.client);
    return {};
  }

  // It did not succeed: again later, or that is its end.
  void fall(Lane& lane, Error error, Json prediction) {
    const auto after = lane.client ? lane.client->retry_after() : std::nullopt;
    const auto wait = lane.has_shown ? std::nullopt : lane.retry.next(error, after);
    const bool has_time = wait && (!lane.deadline || SteadyClock::now() + *wait < *lane.deadline);
    lane.stream.reset();
    if (has_time) {
      m_context.say(fmt::format("{}: {}", lane.place, again_words(*wait, error)));
      lane.values.clear();
      if (lane.index == m_shown) m_sink->abandon();
      lane.again_at = SteadyClock::now() + *wait;
      return;
    }
    lane.has_ended = true;
    end(lane.index, {.place = lane.place,
                     .error = prediction.is_null() ? std::optional(std::move(error)) : std::nullopt,
                     .prediction = std::move(prediction)});
  }

  // Waits for an event, an input, the next timer or a signal.
  Result<void> wait() {
    draw_status();
    std::vector<pollfd> waits = {{m_interrupt.fd(), POLLIN, 0}};
    Deadline wake;
    const auto earlier = [&wake](const Deadline& time) {
      if (time && (!wake || *time < *wake)) wake = time;
    };
    for (const Lane& lane : m_lanes) {
      earlier(lane.deadline);
      earlier(lane.again_at);
      if (lane.stream) waits.push_back({lane.stream->fd(), POLLIN, 0});
    }
    const bool reads_input = wants_input() && !m_inputs.is_ready();
    if (reads_input) waits.push_back({m_inputs.fd(), POLLIN, 0});
    int timeout_ms = -1;
    if (wake) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*wake - SteadyClock::now()).count();
      timeout_ms = static_cast<int>(std::clamp<long long>(left, 0, std::numeric_limits<int>::max()));
    }
    if (wants_input() && m_inputs.is_ready()) timeout_ms = 0; // one has ended
    if (::poll(waits.data(), waits.size(), timeout_ms) < 0 && errno != EINTR)
      return fail_errno(ErrorCode::resources, errno, "can't wait for the daemon");
    if (reads_input && waits.back().revents != 0) return m_inputs.fill();
    return {};
  }

  Result<void> step(Lane& lane) {
    const auto now = SteadyClock::now();
    if (lane.again_at && now >= *lane.again_at) begin(lane);
    while (lane.stream && !lane.has_ended) {
      StreamEvent event;
      const auto got = lane.stream->next(event, now, -1);
      if (!got) {
        fall(lane, got.error(), nullptr);
        break;
      }
      if (*got != EventStream::Got::event) break;
      MRUN_TRY(take(lane, event));
    }
    if (!lane.has_ended && lane.deadline && now >= *lane.deadline) {
      cancel(lane);
      time_out(lane, fail(ErrorCode::client_timeout, cancel_words(*m_options.timeout, m_is_heard)).value());
    }
    return {};
  }

  void time_out(Lane& lane, Error error) {
    lane.stream.reset();
    lane.has_ended = true;
    end(lane.index, {.place = lane.place, .error = std::move(error)});
  }

  // A daemon that does not answer once is not asked for each of them: its closed streams cancel as well.
  void cancel(const Lane& lane) {
    if (lane.stream && m_is_heard)
      m_is_heard = ask_to_cancel(m_context, lane.id, m_interrupt.exit_code() == 0 ? m_interrupt.fd() : -1);
  }

  Result<void> take(Lane& lane, StreamEvent& event) {
    if (event.type == EventType::queued) {
      lane.id = event.data.value("id", std::string());
      if (!is_prediction_id(lane.id))
        return fail(ErrorCode::daemon_unreachable, "the daemon sent an id that is none");
      if (m_options.print_id) m_context.terminal.err(lane.id + "\n");
    }
    if (m_context.stream) {
      lane.has_shown = lane.has_shown || event.type == EventType::output;
      MRUN_TRY(m_context.terminal.out(event_line(event, lane.id, lane.index)));
    }
    if (event.type == EventType::log) show_log(m_context, event.data);
    if (event.type == EventType::output && !m_context.json) return take_value(lane, event.data);
    if (event.type == EventType::done) finish(lane, std::move(event.data));
    return {};
  }

  Result<void> take_value(Lane& lane, Json& data) {
    Json value = data.contains("value") ? std::move(data["value"]) : std::move(data);
    if (lane.index != m_shown) {
      lane.values.push_back(std::move(value));
      return {};
    }
    Result<void> shown = m_sink->value(value);
    lane.has_shown = lane.has_shown || m_sink->has_shown();
    return shown;
  }

  void finish(Lane& lane, Json prediction) {
    if (prediction.value("status", std::string()) != "succeeded") {
      const Error error = error_of_end(prediction, m_target.shown_name); // before it is moved from
      return fall(lane, error, std::move(prediction));
    }
    lane.has_ended = true;
    lane.stream.reset();
    Ended ended{.place = lane.place, .prediction = std::move(prediction), .values = std::move(lane.values)};
    if (lane.index != m_shown) ended.size_bytes = canonical_json(ended.prediction).size();
    end(lane.index, std::move(ended));
  }

  void end(std::size_t index, Ended ended) {
    const bool failed = ended.error || ended.prediction.value("status", std::string()) != "succeeded";
    const bool is_hopeless = ended.error && ended.error->row().exit_code == k_unreachable_exit_code;
    m_held_bytes += ended.size_bytes;
    m_ended.emplace(index, std::move(ended));
    if (failed && (!m_options.keep_going || is_hopeless)) stop_behind(index);
  }

  // What comes after the first failure is of no use to anybody.
  void stop_behind(std::size_t index) {
    m_is_stopping = true;
    for (Lane& lane : m_lanes) {
      if (lane.index <= index || lane.has_ended) continue;
      cancel(lane);
      lane.stream.reset();
      lane.has_ended = true;
    }
    m_ended.erase(m_ended.upper_bound(index), m_ended.end());
  }

  Result<void> show_ended() {
    for (auto next = m_ended.find(m_shown); next != m_ended.end(); next = m_ended.find(m_shown)) {
      Ended ended = std::move(next->second);
      m_ended.erase(next);
      m_held_bytes -= ended.size_bytes;
      m_context.terminal.clear_status();
      MRUN_ASSIGN(const int exit_code, show(ended));
      if (m_interrupt.exit_code() != 0 && exit_code != 0) return {}; // left in the middle of it
      if (exit_code == 0)
        ++m_succeeded;
      else
        ++m_failed;
      if (m_exit_code == 0) m_exit_code = exit_code;
      ++m_shown;
      MRUN_TRY(open_sink());
    }
    return {};
  }

  Result<int> show(Ended& ended) {
    if (!ended.error && ended.prediction.value("status", std::string()) == "succeeded") {
      const Result<void> shown = show_values(ended);
      if (shown) return 0;
      if (shown.error().code == ErrorCode::interrupted_by_user) return m_interrupt.exit_code();
      if (!m_options.keep_going) stop_behind(m_shown);
      ended.error = shown.error();
    }
    m_sink->abandon();
    const bool has_line = m_options.keep_going && m_context.json && !m_context.stream;
    if (!ended.error) {
      if (has_line) MRUN_TRY(m_context.terminal.out(plain_json(without_ours(ended.prediction)) + "\n"));
      return show_failure(m_context, ended.prediction, m_target.shown_name, ended.place);
    }
    Error error = about_model(std::move(*ended.error), m_target.shown_name);
    if (has_line) MRUN_TRY(m_context.terminal.out(refusal_line(error, m_shown)));
    error.notes.push_back(fmt::format("the input at {}", ended.place));
    return show_error(m_context, error);
  }

  Result<void> show_values(const Ended& ended) {
    for (const Json& value : ended.values)
      MRUN_TRY(m_sink->value(value));
    return show_success(m_context, ended.prediction, *m_sink,
                        {.model = m_target.shown_name,
                         .timings = m_options.timings,
                         .is_one_of_many = true,
                         .interrupt_fd = m_interrupt.fd()});
  }

  // For the prediction whose turn it is now; what it has given already follows.
  Result<void> open_sink() {
    OutputOptions output = m_options.output;
    output.number = m_shown;
    MRUN_ASSIGN(OutputSink sink, OutputSink::create(m_context, m_target.bundle.manifest.output, output));
    m_sink.emplace(std::move(sink));
    for (Lane& lane : m_lanes)
      if (lane.index == m_shown && !lane.has_ended)
        for (const Json& value : std::exchange(lane.values, {})) {
          MRUN_TRY(m_sink->value(value));
          lane.has_shown = lane.has_shown || m_sink->has_shown();
        }
    return {};
  }

  // What was started ends with us.
  int leave(int exit_code) {
    m_context.terminal.clear_status();
    for (const Lane& lane : m_lanes)
      cancel(lane);
    m_sink->abandon();
    if (exit_code != 0) m_context.say(fmt::format("canceled; {} had ended", m_succeeded + m_failed));
    return exit_code;
  }

  // Where results go elsewhere than to the terminal.
  void draw_status() const {
    const Terminal& terminal = m_context.terminal;
    if (m_context.quiet || m_context.json || !terminal.err_can_move() || terminal.out_is_terminal()) return;
    const std::optional<std::size_t> count = m_inputs.count();
    m_context.terminal.status(fmt::format("{}{} done, {} running", m_succeeded + m_failed,
                                          count ? fmt::format(" of {}", *count) : "", m_lanes.size()));
  }

  void say_sum() const {
    if (m_succeeded + m_failed < 2 || (m_failed == 0 && !m_context.terminal.err_is_terminal())) return;
    m_context.say(fmt::format(
        "{}: {} succeeded, {} failed{}", count_words(m_succeeded + m_failed, "prediction"), m_succeeded,
        m_failed, m_is_stopping && !m_options.keep_going ? "; --keep-going runs the rest all the same" : ""));
  }

  Context& m_context;
  const PredictTarget& m_target;
  const PredictOptions& m_options;
  const RequestOptions m_request;
  BatchInputs m_inputs;
  const InterruptGuard& m_interrupt;
  std::list<Lane> m_lanes; // references to a lane stay valid
  std::map<std::size_t, Ended> m_ended;
  std::optional<OutputSink> m_sink; // of m_shown
  std::size_t m_next = 0;           // the index of the next input
  std::size_t m_shown = 0;          // whose turn it is to be shown
  std::size_t m_held_bytes = 0;
  std::size_t m_succeeded = 0, m_failed = 0;
  bool m_inputs_ended = false;
  bool m_is_stopping = false; // no other is started
  bool m_is_heard = true;     // the daemon answers
  int m_exit_code = 0;
};

// Where all inputs are known, all outputs have a place before the first runs.
Result<void> check_places(const BatchInputs& inputs, const PredictTarget& target,
                          const PredictOptions& options) {
  OutputOptions output = options.output;
  for (std::size_t i = 0; i < inputs.count().value_or(0); ++i) {
    output.number = i;
    MRUN_TRY(check_known_target(target.bundle.manifest.output, output));
  }
  return {};
}

Result<int> batch(Context& context, const PredictTarget& target, const PredictOptions& options) {
  MRUN_TRY(check_target_of_many(options.output));
  MRUN_ASSIGN(RequestOptions request, request_options(target, options));
  MRUN_ASSIGN(BatchInputs inputs, BatchInputs::open(target.bundle.manifest, options));
  if (!options.keep_going) MRUN_TRY(check_places(inputs, target, options));
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  MRUN_TRY(inputs.upload(client));
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  MRUN_ASSIGN(const int exit_code,
              Batch(context, target, options, std::move(request), std::move(inputs), interrupt).run());
  client.settle_build_skew();
  return exit_code;
}

} // namespace

Result<int> run_batch(Context& context, const PredictTarget& target, const PredictOptions& options) {
  Result<int> done = batch(context, target, options);
  if (done) return done;
  return tl::unexpected<Error>(about_model(std::move(done).error(), target.shown_name));
}

} // namespace mrun::cli
