// mrun wait ID…: follows predictions that go on by themselves to their end.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/daemon_client.h"
#include "cli/client/interrupt.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/predict/ending.h"
#include "cli/predict/event_loop.h"
#include "cli/predict/target.h"
#include "cli/render/errors.h"
#include "cli/render/github.h"
#include "cli/render/json_text.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr int k_pending_exit_code = 8;
// For a single answer of the daemon, when --timeout is shorter.
constexpr std::chrono::seconds k_answer_wait{10};

constexpr PositionalSpec k_positionals[] = {
    {.name = "ID", .repeatable = true, .help = "a prediction's id, as `mrun predict --detach` prints it"}};
constexpr FlagSpec k_flags[] = {
    {.name = "output",
     .short_name = 'o',
     .value_name = "FILE",
     .type = FlagType::path,
     .help = "write the output there; `-` is standard output, raw; %{index} (of several predictions: which "
             "one) and %{ext} are filled in"},
    {.name = "force", .short_name = 'f', .help = "let -o replace a file"},
    {.name = "timeout",
     .value_name = "TIME",
     .type = FlagType::duration,
     .help = "wait no longer than this, as 500ms, 30s, 2m; what has not ended by then goes on"},
    k_github_flag,
    {.name = "timings", .help = "show every phase, memory and cost on standard error"},
};
constexpr ExampleSpec k_examples[] = {
    {"wait 01hq3k5v7w9x1y3z5a7b9c1d3e", "its output, as `mrun predict` shows it"},
    {"wait 01hq3k5v7w9x1y3z5a7b9c1d3e -o fox.png", "and keeps its output"},
    {"wait $ID --timeout 0", "exit code 8 while it is not there"},
};
constexpr int k_exit_codes[] = {4, 5, 6, 7, 8, 10};

// What its output is made of: by its model when that is still here, else by what it looks like.
TypeSpec output_type(const Context& context, const Json& prediction) {
  const auto digest = Digest::parse_hex(prediction.value("version", std::string()));
  const auto store = open_store_to_read(context);
  if (digest && store)
    if (auto bundle = store->load(*digest)) return std::move(bundle->manifest.output);
  TypeSpec type;
  type.concatenate = prediction.value("output", Json()).is_string();
  return type;
}

struct Waited {
  std::string id;
  std::string model;
  TypeSpec output;
  PredictionStatus status = PredictionStatus::starting; // when it was looked up
};

// Every id is looked up first: a wrong one is told before any time passes.
Result<std::vector<Waited>> look_up(const Context& context, DaemonClient& client,
                                    const Arguments& arguments) {
  std::vector<Waited> all;
  for (const std::string& id : arguments.positionals()) {
    MRUN_ASSIGN(const Json prediction,
                client.get(fmt::format("/mrun/v1/predictions/{}", percent_encode(id))));
    if (!is_prediction_id(id) || !prediction.is_object())
      return fail(ErrorCode::daemon_unreachable, "the daemon's reply is no prediction");
    Waited waited{id, printable(prediction.value("model", std::string())), output_type(context, prediction)};
    if (!find_status(prediction.value("status", std::string()), waited.status))
      return fail(ErrorCode::daemon_unreachable, "the daemon's reply is no prediction");
    all.push_back(std::move(waited));
  }
  return all;
}

class Wait {
 public:
  Wait(Context& context, DaemonClient& client, const Arguments& arguments, const InterruptGuard& interrupt)
      : m_context(context),
        m_client(client),
        m_arguments(arguments),
        m_interrupt(interrupt),
        m_output{.target = arguments.value("output").value_or(""), .replace = arguments.has("force")} {
    m_options.timeout = arguments.duration("timeout");
    m_options.is_ours = false;
    if (m_options.timeout) m_options.deadline = std::chrono::steady_clock::now() + *m_options.timeout;
  }

  Result<int> run(const std::vector<Waited>& all) {
    if (all.size() > 1) MRUN_TRY(check_target_of_many(m_output));
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all.size() > 1) m_output.number = i;
      MRUN_ASSIGN(const int exit_code, wait_for(all[i], all.size() > 1));
      if (m_exit_code == 0) m_exit_code = exit_code;
      if (m_interrupt.exit_code() != 0) return m_interrupt.exit_code();
      if (m_context.terminal.out_closed()) return m_exit_code;
    }
    if (m_context.json && !m_context.stream)
      MRUN_TRY(print_json(m_context.terminal, {{"schema", "mrun.wait/v1"},
                                               {"predictions", std::move(m_ended)},
                                               {"pending", std::move(m_pending)}}));
    return m_exit_code;
  }

 private:
  Result<int> wait_for(const Waited& waited, bool is_one_of_many) {
    Result<OutputSink> sink = OutputSink::create(m_context, waited.output, m_output);
    if (!sink) return told(sink.error());
    EventLoopOptions options = m_options;
    options.model = waited.model;
    const auto answer_by = std::chrono::steady_clock::now() + k_answer_wait;
    const Deadline later = options.deadline ? std::max(*options.deadline, answer_by) : options.deadline;
    const auto opened = m_client.open({.target = fmt::format("/mrun/v1/predictions/{}/events", waited.id),
                                       .headers = {{"Accept", "text/event-stream"}}},
                                      later);
    if (!opened && opened.error().code == ErrorCode::interrupted_by_user)
      return pending({.prediction = {{"status", status_name(waited.status)}}}, waited, *sink);
    MRUN_TRY(opened);
    if (is_terminal(waited.status)) options.deadline = later; // all that is to come is there
    MRUN_ASSIGN(const EventLoopResult result,
                follow_prediction(m_context, m_client, *sink, m_interrupt, options));
    if (result.is_pending) return pending(result, waited, *sink);
    if (m_context.json && !m_context.stream) {
      m_ended.push_back(without_ours(result.prediction));
      const bool succeeded = result.prediction.value("status", std::string()) == "succeeded";
      return succeeded ? 0 : error_of_end(result.prediction, "").row().exit_code;
    }
    const Result<int> shown = show_end(m_context, result, *sink,
                                       {.model = result.prediction.value("model", std::string()),
                                        .timings = m_arguments.has("timings"),
                                        .is_one_of_many = is_one_of_many,
                                        .interrupt_fd = m_interrupt.fd()});
    return shown ? *shown : told(shown.error());
  }

  // An output that can't be kept; the others are waited for all the same.
  int told(const Error& error) const {
    m_context.terminal.clear_status();
    return show_error(m_context, error);
  }

  int pending(const EventLoopResult& result, const Waited& waited, OutputSink& sink) {
    sink.abandon();
    const bool has_started = result.prediction.value("status", "") == "processing";
    const std::string status(status_name(has_started ? PredictionStatus::processing : waited.status));
    m_pending.push_back({{"id", waited.id}, {"status", status}});
    if (!m_context.json) m_context.say(fmt::format("{} goes on: {}", waited.id, status));
    return k_pending_exit_code;
  }

  Context& m_context;
  DaemonClient& m_client;
  const Arguments& m_arguments;
  const InterruptGuard& m_interrupt;
  EventLoopOptions m_options;
  OutputOptions m_output;
  Json m_ended = Json::array(), m_pending = Json::array();
  int m_exit_code = 0;
};

Result<int> run(Context& context, const Arguments& arguments) {
  Patience patience;
  if (const auto timeout = arguments.duration("timeout"))
    patience.deadline =
        std::chrono::steady_clock::now() + std::max<std::chrono::nanoseconds>(*timeout, k_answer_wait);
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed, patience));
  MRUN_ASSIGN(const std::vector<Waited> all, look_up(context, client, arguments));
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  client.set_patience({.interrupt_fd = interrupt.fd()});
  MRUN_ASSIGN(const auto group, github_group(context, "mrun wait"));
  return Wait(context, client, arguments, interrupt).run(all);
}

} // namespace

extern const CommandSpec k_command_wait;
constinit const CommandSpec k_command_wait{
    .name = "wait",
    .group = CommandGroup::run,
    .summary = "wait for predictions and show their outputs",
    .description =
        "Follows each to its end and shows it as `mrun predict` would have, in the order given; the "
        "exit code is that of\n"
        "the first that did not succeed, 8 when --timeout passes before the end. Nothing is "
        "canceled: Ctrl-C only ends\n"
        "the waiting. One that has ended is shown at once.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .streams = true,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
