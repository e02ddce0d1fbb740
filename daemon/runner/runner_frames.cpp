// What workers say. It is untrusted: every frame is checked against what the daemon knows of the prediction
// it names; what doesn't fit ends the worker (worker_protocol, output_limit).
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"
#include "daemon/runner/runner_impl.h"
#include "runtime/messages.h"

namespace mrun {
namespace {

constexpr std::string_view k_what = "a worker's frame";
constexpr ErrorCode k_code = ErrorCode::worker_protocol;
constexpr std::size_t k_max_message_bytes = 4096;
constexpr std::size_t k_max_phase_frames = 64;

tl::unexpected<Error> broke(std::string_view type, std::string_view what) {
  return fail(k_code, fmt::format("the worker's '{}' frame is not valid: {}", type, what));
}

std::string text_of(const std::optional<std::string>& text) {
  return text ? printable(*text, k_max_message_bytes) : "";
}

// The code that a worker may give: a model's, an engine's or an input's; everything else is `otherwise`.
ErrorCode worker_code(const std::optional<std::string>& name, ErrorCode otherwise) {
  const ErrorRow* row = name ? find_error_row(*name) : nullptr;
  if (row == nullptr) return otherwise;
  const auto number = static_cast<int>(row->code);
  const bool may_be = (number >= 1300 && number < 1500) || row->code == ErrorCode::manifest_step;
  return may_be ? row->code : otherwise;
}

// An engine may talk while it is opened, and a start that fails is told in place of `hello`.
bool may_come_first(std::string_view type) {
  return type == "hello" || type == "log" || type == "phase" || type == "load_failed";
}

Result<Error> error_of(const Frame& frame, ErrorCode otherwise, std::string_view fallback) {
  MRUN_ASSIGN(const auto code, json_string(frame.header, "code", k_code, k_what));
  MRUN_ASSIGN(const auto message, json_string(frame.header, "message", k_code, k_what));
  std::string text = text_of(message);
  if (text.empty()) text = fallback;
  return std::move(fail(worker_code(code, otherwise), std::move(text)).value());
}

// Checked and, if it is JSON, parsed; a file takes the frame's payload with it.
Result<RunOutput> output_of(Frame& frame) {
  MRUN_ASSIGN(const std::string kind, need_string(frame.header, "kind", k_code, k_what));
  const std::string_view payload = frame.payload();
  RunOutput output;
  if (kind == "json") {
    if (payload.size() > k_max_json_output_bytes)
      return fail(ErrorCode::output_limit,
                  fmt::format("a JSON output takes {}, the limit is {}", format_bytes(payload.size()),
                              format_bytes(k_max_json_output_bytes)),
                  "let the model give it as a file");
    output.kind = RunOutput::Kind::json;
    MRUN_ASSIGN(output.value, parse_json(payload, k_code, "an output",
                                         {k_max_json_output_bytes, k_max_json_depth, k_max_output_values,
                                          ErrorCode::output_limit}));
    return output;
  }
  if (kind == "text") {
    output.kind = RunOutput::Kind::text;
    output.text = std::string(payload);
    return output;
  }
  if (kind != "file")
    return broke("output", fmt::format("'{}' is not a kind of output", printable(kind, 40)));
  MRUN_ASSIGN(const auto media_type, json_string(frame.header, "media_type", k_code, k_what));
  MRUN_ASSIGN(const auto name, json_string(frame.header, "name", k_code, k_what));
  output.kind = RunOutput::Kind::file;
  output.media_type = printable(media_type.value_or("application/octet-stream"), k_max_value_name_bytes);
  output.name = printable(name.value_or("output"), k_max_value_name_bytes);
  output.small_file = std::move(frame.inline_payload);
  output.large_file = std::move(frame.mapped_payload);
  return output;
}

} // namespace

void Runner::Impl::on_frame(sched::WorkerId id, Frame& frame) {
  using Handler = Result<void> (Impl::*)(sched::WorkerId, LiveWorker&, Frame&);
  static constexpr std::array<std::pair<std::string_view, Handler>, 9> k_handlers = {{
      {"started", &Impl::on_started},
      {"output", &Impl::on_output},
      {"done", &Impl::on_done},
      {"log", &Impl::on_log},
      {"metric", &Impl::on_metric},
      {"hello", &Impl::on_hello},
      {"phase", &Impl::on_phase},
      {"loaded", &Impl::on_loaded},
      {"load_failed", &Impl::on_load_failed},
  }};
  const auto found = live_workers.find(id);
  if (found == live_workers.end() || found->second.is_broken) return;
  const std::string_view type = frame.type();
  const auto handler = std::ranges::find(k_handlers, type, &std::pair<std::string_view, Handler>::first);
  Result<void> handled = broke(printable(type, 40), "there is no such type");
  if (handler != k_handlers.end() && !found->second.said_hello && !may_come_first(type))
    handled = broke(type, "it comes before `hello`");
  else if (handler != k_handlers.end())
    handled = (this->*handler->second)(id, found->second, frame);
  if (!handled) on_broken(id, handled.error());
}

void Runner::Impl::on_broken(sched::WorkerId id, const Error& error) {
  const auto found = live_workers.find(id);
  if (found == live_workers.end() || std::exchange(found->second.is_broken, true)) return;
  found->second.process->stop_listening();
  Error told = error;
  feed(sched::WorkerBroken{id, std::move(told).with_note(fmt::format(
                                   "model '{}', worker {}", models.at(found->second.model).traits.name,
                                   found->second.process->pid()))});
}

// Output that is no frame belongs to the prediction that runs, if it is the only one.
void Runner::Impl::on_line(sched::WorkerId id, std::string_view line) {
  const auto scheduled = state.workers.find(id);
  if (scheduled == state.workers.end() || scheduled->second.running.size() != 1) return;
  const RunKey key = scheduled->second.running.front();
  const auto run = runs.find(key);
  if (run == runs.end() || run->second.is_finished || !run->second.is_started) return;
  run->second.line_bytes += line.size() + 1;
  if (run->second.line_bytes <= k_max_log_bytes) listener.on_log(key, "info", line);
}

// ---- the load
// ------------------------------------------------------------------------------------------------
Result<void> Runner::Impl::on_hello(sched::WorkerId, LiveWorker& worker, Frame& frame) {
  if (std::exchange(worker.said_hello, true)) return broke("hello", "it came before");
  MRUN_ASSIGN(const std::int64_t protocol, need_integer(frame.header, "protocol", k_code, k_what));
  if (protocol != 1)
    return broke("hello", fmt::format("it speaks protocol {}, this daemon speaks 1", protocol));
  MRUN_ASSIGN(const auto import_start_ns, json_integer(frame.header, "import_start_ns", k_code, k_what));
  MRUN_ASSIGN(const auto import_end_ns, json_integer(frame.header, "import_end_ns", k_code, k_what));
  const std::int64_t now_ns = clock.monotonic_ns();
  if (import_start_ns && import_end_ns && *import_start_ns >= worker.timeline.begin_ns()) {
    worker.timeline.mark(Phase::import, *import_start_ns, now_ns);
    worker.timeline.mark(Phase::spawn, *import_end_ns, now_ns);
  }
  worker.timeline.mark(Phase::other, now_ns, now_ns);
  return {};
}

Result<void> Runner::Impl::on_phase(sched::WorkerId, LiveWorker& worker, Frame& frame) {
  MRUN_ASSIGN(const std::string name, need_string(frame.header, "name", k_code, k_what));
  MRUN_ASSIGN(const std::int64_t at_ns, need_integer(frame.header, "at_ns", k_code, k_what));
  Phase phase{};
  if (!find_phase(name, phase) || phase < Phase::import || phase > Phase::warmup)
    return broke("phase", fmt::format("'{}' is not a phase of a load", printable(name, 40)));
  if (worker.is_loaded) return {}; // too late to matter
  // Each one is an event of every prediction that waits.
  if (++worker.phase_frames > k_max_phase_frames)
    return broke("phase", fmt::format("there are over {} of them", k_max_phase_frames));
  worker.timeline.mark(phase, at_ns, clock.monotonic_ns());
  tell_phase(worker, phase);
  return {};
}

Result<void> Runner::Impl::on_loaded(sched::WorkerId id, LiveWorker& worker, Frame& frame) {
  if (std::exchange(worker.is_loaded, true)) return broke("loaded", "it came before");
  MRUN_ASSIGN(const auto memory_bytes, json_integer(frame.header, "memory_bytes", k_code, k_what));
  worker.memory_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(memory_bytes.value_or(0), 0));
  worker.loaded_wall_ns = clock.wall_ns();
  worker.timeline.end(clock.monotonic_ns());
  end_load(id, worker, PredictionStatus::succeeded);
  feed(sched::Loaded{id, worker.memory_bytes});
  note_idle(id);
  return {};
}

Result<void> Runner::Impl::on_load_failed(sched::WorkerId id, LiveWorker& worker, Frame& frame) {
  if (worker.is_loaded) return broke("load_failed", "the model is loaded");
  MRUN_ASSIGN(Error error,
              error_of(frame, ErrorCode::load_failed,
                       fmt::format("'{}' can't be loaded", models.at(worker.model).traits.name)));
  if (!frame.payload().empty())
    worker.process->log().append_text(frame.payload().substr(0, k_max_details_bytes));
  end_load(id, worker, PredictionStatus::failed);
  feed(sched::LoadFailed{id, std::move(error)});
  return {};
}

// ---- predictions
// ---------------------------------------------------------------------------------------------
Result<LiveRun*> Runner::Impl::run_of(sched::WorkerId id, const Frame& frame, RunKey& key) {
  MRUN_ASSIGN(const std::int64_t number, need_integer(frame.header, "id", k_code, k_what));
  key = static_cast<RunKey>(number);
  const auto found = number < 0 ? runs.end() : runs.find(key);
  if (found == runs.end() || found->second.worker != id)
    return broke(frame.type(), fmt::format("no prediction {} runs there", number));
  return &found->second;
}

Result<void> Runner::Impl::on_started(sched::WorkerId id, LiveWorker&, Frame& frame) {
  RunKey key = 0;
  MRUN_ASSIGN(LiveRun * run, run_of(id, frame, key));
  if (std::exchange(run->is_started, true)) return broke("started", "it came before");
  run->request.input = nullptr;
  run->request.files.clear();
  if (!run->is_finished) listener.on_started(key);
  return {};
}

Result<void> Runner::Impl::on_log(sched::WorkerId id, LiveWorker& worker, Frame& frame) {
  MRUN_ASSIGN(const std::int64_t number, need_integer(frame.header, "id", k_code, k_what));
  MRUN_ASSIGN(const std::string level, need_string(frame.header, "level", k_code, k_what));
  if (level != "error" && level != "warn" && level != "info" && level != "debug")
    return broke("log", fmt::format("'{}' is not a level", printable(level, 40)));
  const std::string_view payload = frame.payload();
  std::string text = is_valid_utf8(payload) ? std::string(payload) : printable(payload, payload.size() * 4);
  worker.process->log().append_line(text);
  if (number == 0) return {};
  RunKey key = 0;
  MRUN_ASSIGN(LiveRun * run, run_of(id, frame, key));
  run->log_bytes += text.size() + 1;
  if (run->log_bytes > k_max_log_bytes)
    return fail(ErrorCode::output_limit,
                fmt::format("the prediction logged more than {}", format_bytes(k_max_log_bytes)));
  if (!run->is_finished) listener.on_log(key, level, text);
  return {};
}

Result<void> Runner::Impl::on_output(sched::WorkerId id, LiveWorker&, Frame& frame) {
  RunKey key = 0;
  MRUN_ASSIGN(LiveRun * run, run_of(id, frame, key));
  if (!run->is_started) return broke("output", "it comes before `started`");
  if (++run->output_items > k_max_output_items)
    return fail(ErrorCode::output_limit,
                fmt::format("the model gave more than {} outputs", k_max_output_items));
  const std::size_t payload_bytes = frame.payload().size();
  MRUN_ASSIGN(RunOutput output, output_of(frame));
  std::uint64_t& total_bytes = output.kind == RunOutput::Kind::file ? run->file_bytes : run->output_bytes;
  const std::size_t limit = output.kind == RunOutput::Kind::file ? k_max_payload_bytes : k_max_output_bytes;
  total_bytes += payload_bytes;
  if (total_bytes > limit)
    return fail(ErrorCode::output_limit,
                fmt::format("the model's outputs take more than {}", format_bytes(limit)));
  if (!run->is_finished) listener.on_output(key, std::move(output));
  return {};
}

Result<void> Runner::Impl::on_metric(sched::WorkerId id, LiveWorker&, Frame& frame) {
  RunKey key = 0;
  MRUN_ASSIGN(LiveRun * run, run_of(id, frame, key));
  MRUN_ASSIGN(const std::string name, need_string(frame.header, "name", k_code, k_what));
  if (!is_metric_name(name)) return broke("metric", fmt::format("'{}' is not a name", printable(name, 40)));
  const auto value = frame.header.find("value");
  if (value == frame.header.end() || !value->is_number() || !std::isfinite(value->get<double>()))
    return broke("metric", "`value` is not a number");
  if (++run->metrics > k_max_metrics)
    return fail(ErrorCode::output_limit, fmt::format("the model gave more than {} metrics", k_max_metrics));
  if (!run->is_finished) listener.on_metric(key, name, value->get<double>());
  return {};
}

Result<void> Runner::Impl::on_done(sched::WorkerId id, LiveWorker& worker, Frame& frame) {
  RunKey key = 0;
  MRUN_ASSIGN(LiveRun * run, run_of(id, frame, key));
  worker.process->take_output(); // what it printed came by another way, and belongs to this one still
  MRUN_ASSIGN(const std::string status, need_string(frame.header, "status", k_code, k_what));
  MRUN_ASSIGN(const auto peak_bytes, json_integer(frame.header, "peak_memory_bytes", k_code, k_what));
  MRUN_ASSIGN(const auto healthy, json_bool(frame.header, "healthy", k_code, k_what));
  ReportedEnd end;
  if (!find_status(status, end.status) || !is_terminal(end.status) || end.status == PredictionStatus::aborted)
    return broke("done", fmt::format("'{}' is not how a prediction ends", printable(status, 40)));
  if (const auto phases = frame.header.find("phases"); phases != frame.header.end() && phases->is_object()) {
    MRUN_ASSIGN(const auto predict_ns, json_integer(*phases, "predict", k_code, k_what));
    end.predict_ns = predict_ns.value_or(0);
  }
  end.peak_memory_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(peak_bytes.value_or(0), 0));
  MRUN_ASSIGN(const auto read_bytes, json_integer(frame.header, "read_bytes", k_code, k_what));
  MRUN_ASSIGN(const auto major_faults, json_integer(frame.header, "major_faults", k_code, k_what));
  end.reads.read_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(read_bytes.value_or(0), 0));
  end.reads.major_faults = static_cast<std::uint64_t>(std::max<std::int64_t>(major_faults.value_or(0), 0));
  if (end.status == PredictionStatus::failed) {
    MRUN_ASSIGN(end.error,
                error_of(frame, ErrorCode::prediction_failed, "the model failed without a reason"));
    if (const std::string_view details = frame.payload().substr(0, k_max_details_bytes); !details.empty()) {
      worker.process->log().append_text(details);
      if (!run->is_finished) listener.on_log(key, "error", printable(details, k_max_details_bytes));
    }
  }
  ++worker.predictions;
  worker.memory_bytes = std::max(worker.memory_bytes, end.peak_memory_bytes);
  const sched::PredictionEnded event{key, id, end.status, healthy.value_or(true), end.peak_memory_bytes};
  run->reported = std::move(end);
  feed(event);
  if (const auto left = runs.find(key); left != runs.end() && left->second.is_finished)
    runs.erase(left); // its caller was answered before
  note_idle(id);
  return {};
}

} // namespace mrun
