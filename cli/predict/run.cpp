#include "cli/predict/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/client/daemon_client.h"
#include "cli/predict/event_loop.h"
#include "cli/predict/input_files.h"
#include "cli/predict/summary.h"
#include "cli/render/errors.h"
#include "cli/render/json_text.h"
#include "common/text.h"
#include "daemon/api/prediction.h"
#include "packager/schema.h"

namespace mrun::cli {
namespace {

Result<Json> typed_input(const Manifest& manifest, const std::vector<std::string>& texts) {
  std::vector<InputArgument> arguments;
  bool stdin_used = false;
  for (const std::string& text : texts) {
    MRUN_ASSIGN(InputArgument argument, parse_input_argument(text));
    const bool is_stdin = argument.kind == InputArgument::Kind::file && argument.value == "-";
    if (is_stdin && std::exchange(stdin_used, true))
      return fail(ErrorCode::usage, "standard input can be used for one input only");
    arguments.push_back(std::move(argument));
  }
  return input_from_arguments(manifest, arguments);
}

Result<void> fetch_output(const Context& context, const std::string& id, const FileMark& file,
                          const ByteSink& sink) {
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::never));
  MRUN_TRY(client.open({.target = fmt::format("/mrun/v1/predictions/{}/outputs/{}", id, file.index)}));
  std::uint64_t received = 0;
  while (true) {
    std::string bytes;
    MRUN_ASSIGN(const ReadResult result, client.connection().read(bytes, std::nullopt, -1));
    received += bytes.size();
    if (!bytes.empty()) MRUN_TRY(sink(bytes));
    if (result == ReadResult::end) break;
  }
  if (file.size_bytes != received)
    return fail(ErrorCode::daemon_unreachable,
                fmt::format("output {} has {} bytes, {} came", file.index, file.size_bytes, received));
  return {};
}

Json without_ours(Json prediction) {
  prediction.erase("mrun");
  return prediction;
}

void show_success(const Context& context, const Json& metrics, bool timings) {
  if (context.quiet && !timings) return;
  if (const std::string line = device_line(metrics); !line.empty()) context.say(line);
  if (context.terminal.err_is_terminal() && !context.quiet && !context.json)
    context.terminal.err(
        fmt::format("{} {}\n", context.terminal.paint_err(Style::good, "✓"), summary_line(metrics)));
  if (timings || context.verbose) context.terminal.err(timings_table(metrics));
}

// The error of the `done` event: the code and hint that the daemon gives, else what Replicate's fields say.
Error error_of_done(const Json& prediction) {
  const auto ours = prediction.find("mrun");
  if (ours != prediction.end() && ours->is_object()) {
    const auto text = [&](const char* key) {
      const auto found = ours->find(key);
      return found != ours->end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    if (const ErrorRow* row = find_error_row(text("code")))
      return fail(row->code, text("message"), text("hint")).value();
  }
  const std::string status = prediction.value("status", std::string());
  const auto words = prediction.find("error");
  const std::string message =
      words != prediction.end() && words->is_string() ? words->get<std::string>() : "";
  if (status == "canceled") return fail(ErrorCode::cancelled, "the prediction was canceled").value();
  if (status == "aborted")
    return fail(ErrorCode::aborted, message.empty() ? "the prediction was aborted" : message).value();
  return fail(ErrorCode::prediction_failed, message.empty() ? "the prediction failed" : message).value();
}

// A general hint ("see `mrun logs ID`", "see `mrun show REF`") with what it is about in place of `word`.
void fill_hint(Error& error, std::string_view word, const std::string& value) {
  std::string hint(error.help());
  const std::size_t at = hint.find(word);
  if (at == std::string::npos || value.empty()) return;
  error.hint = hint.replace(at, word.size(), value);
}

int show_failure(const Context& context, const std::string& model, const Json& prediction) {
  Error error = error_of_done(prediction);
  const std::string id = prediction.value("id", std::string());
  if (is_prediction_id(id)) fill_hint(error, "ID", id);
  fill_hint(error, "REF", model);
  if (context.json) {
    context.terminal.err(canonical_json(error_json(error, {{"prediction", without_ours(prediction)}})) +
                         "\n");
    return error.row().exit_code;
  }
  std::string text = render_error(context.terminal, error);
  if (static_cast<int>(error.code) / 100 == 13) {
    context.terminal.err(text); // what is wrong with an input stands there; the worker's log says no more
    return error.row().exit_code;
  }
  const Json ours = prediction.value("mrun", Json::object());
  if (ours.is_object() && ours.contains("last_log_lines") && ours["last_log_lines"].is_array() &&
      !ours["last_log_lines"].empty()) {
    text += "the worker's last words:\n";
    for (const Json& line : ours["last_log_lines"])
      if (line.is_string()) text += fmt::format("  {}\n", printable(line.get<std::string>(), 2000));
  }
  if (ours.is_object() && ours.contains("log_path") && ours["log_path"].is_string() && ours["log_path"] != "")
    text += fmt::format("the whole log: {}\n", ours["log_path"].get<std::string>());
  context.terminal.err(text);
  return error.row().exit_code;
}

Result<int> show_end(Context& context, const std::string& model, const EventLoopResult& result,
                     OutputSink& sink, const PredictOptions& options) {
  if (result.prediction.value("status", std::string()) != "succeeded") {
    sink.abandon();
    if (result.interrupted_exit_code != 0) {
      context.say("canceled");
      return result.interrupted_exit_code;
    }
    return show_failure(context, model, result.prediction);
  }
  if (context.json) MRUN_TRY(print_json(context.terminal, without_ours(result.prediction)));
  const std::string id = result.prediction.value("id", std::string());
  MRUN_TRY(sink.finish(
      [&](const FileMark& file, const ByteSink& bytes) { return fetch_output(context, id, file, bytes); }));
  show_success(context, result.prediction.value("metrics", Json::object()), options.timings);
  return result.interrupted_exit_code;
}

Result<int> predict(Context& context, const PredictTarget& target, const PredictOptions& options) {
  const Manifest& manifest = target.bundle.manifest;
  Tags tags;
  for (const std::string& text : options.tags)
    MRUN_TRY(add_tag(tags, text));
  MRUN_ASSIGN(Json input, typed_input(manifest, options.inputs));
  MRUN_ASSIGN(OutputSink sink, OutputSink::create(context, manifest.output, options.output));
  MRUN_ASSIGN(std::vector<InputFile> files, open_input_files(manifest, input, STDIN_FILENO));
  MRUN_TRY(check_input(manifest, with_placeholders(input, files)));

  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  MRUN_TRY(upload_input_files(client, files, input));
  Json body = {{"version", target.bundle.digest.hex()}, {"input", std::move(input)}};
  if (options.device != "auto") body["device"] = options.device;
  HttpRequest request = json_request("/mrun/v1/predictions", body);
  request.headers[1].second = "text/event-stream";
  if (!tags.empty()) request.headers.emplace_back(k_tags_header, tags_header(tags));
  MRUN_TRY(client.open(std::move(request)));

  MRUN_ASSIGN(const EventLoopResult result,
              follow_prediction(
                  context, client, sink,
                  {.model = target.shown_name, .timeout = options.timeout, .print_id = options.print_id}));
  MRUN_ASSIGN(const int exit_code, show_end(context, target.shown_name, result, sink, options));
  client.settle_build_skew();
  return exit_code;
}

} // namespace

// Whatever an error says of "REF" is about this model.
Result<int> run_prediction(Context& context, const PredictTarget& target, const PredictOptions& options) {
  Result<int> done = predict(context, target, options);
  if (done) return done;
  Error error = std::move(done).error();
  fill_hint(error, "REF", target.shown_name);
  return tl::unexpected<Error>(std::move(error));
}

} // namespace mrun::cli
