#include "cli/predict/request.h"

#include <unistd.h>

#include "packager/schema.h"

namespace mrun::cli {

Result<Json> typed_input(const Manifest& manifest, const std::vector<std::string>& texts, bool stdin_taken) {
  std::vector<InputArgument> arguments;
  for (const std::string& text : texts) {
    MRUN_ASSIGN(InputArgument argument, parse_input_argument(text));
    const bool is_stdin = argument.kind == InputArgument::Kind::file && argument.value == "-";
    if (is_stdin && std::exchange(stdin_taken, true))
      return fail(ErrorCode::usage, "standard input can be used for one input only");
    arguments.push_back(std::move(argument));
  }
  return input_from_arguments(manifest, arguments);
}

Result<PreparedInput> prepare_input(const Manifest& manifest, Json input) {
  PreparedInput prepared{std::move(input), {}};
  MRUN_ASSIGN(prepared.files, open_input_files(manifest, prepared.input, STDIN_FILENO));
  MRUN_TRY(check_input(manifest, with_placeholders(prepared.input, prepared.files)));
  return prepared;
}

Result<HttpRequest> prediction_request(DaemonClient& client, const RequestOptions& options,
                                       PreparedInput& prepared, Answer answer) {
  MRUN_TRY(upload_input_files(client, prepared.files, prepared.input));
  prepared.files.clear();
  Json body = {{"version", options.version.hex()}, {"input", prepared.input}};
  if (options.device != "auto") body["device"] = options.device;
  HttpRequest request = json_request("/mrun/v1/predictions", body);
  if (answer == Answer::events) request.headers[1].second = "text/event-stream";
  if (!options.tags.empty()) request.headers.emplace_back(k_tags_header, tags_header(options.tags));
  return request;
}

} // namespace mrun::cli
