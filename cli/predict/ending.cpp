#include "cli/predict/ending.h"

#include <fmt/format.h>

#include "cli/client/daemon_client.h"
#include "cli/predict/summary.h"
#include "cli/render/errors.h"
#include "cli/render/json_text.h"
#include "common/text.h"
#include "daemon/api/prediction.h"

namespace mrun::cli {
namespace {

constexpr int k_input_errors = 13; // M13xx

std::string text_of(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>()
                                                                           : std::string();
}

// A general hint ("see `mrun logs ID`", "see `mrun show REF`") with what it is about in place of `word`.
void fill_hint(Error& error, std::string_view word, const std::string& value) {
  std::string hint(error.help());
  const std::size_t at = hint.find(word);
  if (at == std::string::npos || value.empty()) return;
  error.hint = hint.replace(at, word.size(), value);
}

Error error_of_status(const Json& prediction) {
  const Json ours = prediction.value("mrun", Json());
  if (const ErrorRow* row = find_error_row(text_of(ours, "code")))
    return fail(row->code, text_of(ours, "message"), text_of(ours, "hint")).value();
  const std::string status = text_of(prediction, "status");
  const std::string message = text_of(prediction, "error");
  if (status == "canceled") return fail(ErrorCode::cancelled, "the prediction was canceled").value();
  if (status == "aborted")
    return fail(ErrorCode::aborted, message.empty() ? "the prediction was aborted" : message).value();
  return fail(ErrorCode::prediction_failed, message.empty() ? "the prediction failed" : message).value();
}

// Nothing need run again for an output that could not be shown or saved.
Error about_output(Error error, const std::string& id) {
  if (!is_prediction_id(id)) return error;
  error.notes.push_back("the prediction has succeeded");
  error.hint = fmt::format("mrun wait {} -o FILE gets its output", id);
  return error;
}

// The worker's last words, and where the rest is.
std::string worker_words(const Json& ours) {
  std::string text;
  const Json lines = ours.is_object() ? ours.value("last_log_lines", Json::array()) : Json::array();
  if (lines.is_array() && !lines.empty()) {
    text += "the worker's last words:\n";
    for (const Json& line : lines)
      if (line.is_string()) text += fmt::format("  {}\n", printable(line.get<std::string>(), 2000));
  }
  if (const std::string path = text_of(ours, "log_path"); !path.empty())
    text += fmt::format("the whole log: {}\n", path);
  return text;
}

} // namespace

FetchOutput fetch_from(const Context& context, std::string id, int interrupt_fd) {
  return [&context, id = std::move(id), interrupt_fd](const FileMark& file,
                                                      const ByteSink& sink) -> Result<void> {
    MRUN_ASSIGN(DaemonClient client,
                DaemonClient::connect(context, Start::never, {.interrupt_fd = interrupt_fd}));
    MRUN_TRY(client.open({.target = fmt::format("/mrun/v1/predictions/{}/outputs/{}", id, file.index)}));
    std::uint64_t received = 0;
    while (true) {
      std::string bytes;
      const auto end = std::chrono::steady_clock::now() + k_longest_silence;
      MRUN_ASSIGN(const ReadResult result, client.connection().read(bytes, end, interrupt_fd));
      if (result == ReadResult::timed_out)
        return fail(ErrorCode::daemon_unreachable, "the daemon stopped in the middle of an output");
      if (result == ReadResult::interrupted)
        return fail(ErrorCode::interrupted_by_user, "interrupted while an output was fetched");
      received += bytes.size();
      if (!bytes.empty()) MRUN_TRY(sink(bytes));
      if (result == ReadResult::end) break;
    }
    if (file.size_bytes != received)
      return fail(ErrorCode::daemon_unreachable,
                  fmt::format("output {} has {} bytes, {} came", file.index, file.size_bytes, received));
    return {};
  };
}

Error error_of_end(const Json& prediction, const std::string& model) {
  Error error = error_of_status(prediction);
  const std::string id = text_of(prediction, "id");
  if (is_prediction_id(id)) fill_hint(error, "ID", id);
  return about_model(std::move(error), model);
}

Error about_model(Error error, const std::string& model) {
  fill_hint(error, "REF", model);
  return error;
}

Json without_ours(Json prediction) {
  prediction.erase("mrun");
  return prediction;
}

std::string refusal_line(const Error& error, std::size_t index) {
  Json line = error_json(error);
  line["schema"] = "mrun.refusal/v1";
  line["index"] = index;
  return plain_json(line) + "\n";
}

int show_failure(const Context& context, const Json& prediction, const std::string& model,
                 const std::string& place) {
  Error error = error_of_end(prediction, model);
  if (!place.empty()) error.notes.push_back(fmt::format("the input at {}", place));
  const int exit_code = show_error(context, error, {{"prediction", without_ours(prediction)}});
  // What is wrong with an input stands there; the worker's log says no more.
  if (!context.json && static_cast<int>(error.code) / 100 != k_input_errors)
    context.terminal.err(worker_words(prediction.value("mrun", Json::object())));
  return exit_code;
}

Result<void> show_success(Context& context, const Json& prediction, OutputSink& sink,
                          const EndingOptions& options) {
  if (context.json && !context.stream) {
    const Json shown = without_ours(prediction);
    MRUN_TRY(options.is_one_of_many ? context.terminal.out(plain_json(shown) + "\n")
                                    : print_json(context.terminal, shown));
  }
  const std::string id = text_of(prediction, "id");
  Result<void> shown = sink.finish(fetch_from(context, id, options.interrupt_fd));
  if (!shown) return tl::unexpected<Error>(about_output(std::move(shown).error(), id));
  const Json metrics = prediction.value("metrics", Json::object());
  if (context.quiet && !options.timings) return {};
  if (const std::string line = device_line(metrics); !line.empty()) context.say(line);
  const bool has_line =
      context.terminal.err_is_terminal() && !context.quiet && !context.json && !options.is_one_of_many;
  if (has_line)
    context.terminal.err(
        fmt::format("{} {}\n", context.terminal.paint_err(Style::good, "✓"), summary_line(metrics)));
  if (options.timings || context.verbose) context.terminal.err(timings_table(metrics));
  return {};
}

Result<int> show_end(Context& context, const EventLoopResult& result, OutputSink& sink,
                     const EndingOptions& options) {
  if (result.prediction.value("status", std::string()) == "succeeded") {
    MRUN_TRY(show_success(context, result.prediction, sink, options));
    return result.interrupted_exit_code;
  }
  sink.abandon();
  if (result.interrupted_exit_code == 0) return show_failure(context, result.prediction, options.model);
  context.say("canceled");
  return result.interrupted_exit_code;
}

} // namespace mrun::cli
