// --detach: predictions that go on by themselves.
#include <fmt/format.h>

#include "cli/client/daemon_client.h"
#include "cli/predict/batch.h"
#include "cli/predict/batch_inputs.h"
#include "cli/predict/ending.h"
#include "cli/render/errors.h"
#include "cli/render/json_text.h"
#include "daemon/api/prediction.h"

namespace mrun::cli {
namespace {

// The daemon counts whole seconds.
std::string deadline_text(std::chrono::nanoseconds limit) {
  return fmt::format("{}s", std::chrono::ceil<std::chrono::seconds>(limit).count());
}

Result<Json> hand_over(DaemonClient& client, const RequestOptions& options, const PredictOptions& given,
                       PreparedInput& input) {
  MRUN_ASSIGN(HttpRequest request, prediction_request(client, options, input, Answer::object));
  if (given.timeout) request.headers.emplace_back("Cancel-After", deadline_text(*given.timeout));
  MRUN_ASSIGN(Json prediction, client.request(std::move(request)));
  MRUN_ASSIGN(const std::string id,
              need_string(prediction, "id", ErrorCode::daemon_unreachable, "the daemon's reply"));
  if (!is_prediction_id(id)) return fail(ErrorCode::daemon_unreachable, "the daemon sent an id that is none");
  return prediction;
}

Result<int> detach(Context& context, const PredictTarget& target, const PredictOptions& options) {
  MRUN_ASSIGN(const RequestOptions request, request_options(target, options));
  MRUN_ASSIGN(BatchInputs inputs, BatchInputs::open(target.bundle.manifest, options));
  MRUN_ASSIGN(DaemonClient client, DaemonClient::connect(context, Start::if_needed));
  MRUN_TRY(inputs.upload(client));
  int exit_code = 0;
  // Where nobody reads the ids any more, nobody would find what else is handed over.
  for (std::size_t index = 0; !context.terminal.out_closed(); ++index) {
    std::optional<BatchInput> next = inputs.next();
    if (!next) break;
    Result<Json> taken = next->input ? hand_over(client, request, options, *next->input)
                                     : tl::unexpected<Error>(next->input.error());
    if (taken) {
      MRUN_TRY(context.json
                   ? (options.is_batch() ? context.terminal.out(plain_json(without_ours(*taken)) + "\n")
                                         : print_json(context.terminal, without_ours(*taken)))
                   : context.terminal.out((*taken)["id"].get<std::string>() + "\n"));
      continue;
    }
    Error error = about_model(std::move(taken).error(), target.shown_name);
    if (options.keep_going && context.json) MRUN_TRY(context.terminal.out(refusal_line(error, index)));
    if (options.is_batch()) error.notes.push_back(fmt::format("the input at {}", next->place));
    if (!options.keep_going) return tl::unexpected<Error>(std::move(error));
    const int code = show_error(context, error);
    if (exit_code == 0) exit_code = code;
  }
  if (context.terminal.out_is_terminal()) context.say("`mrun wait ID` shows the result");
  client.settle_build_skew();
  return exit_code;
}

} // namespace

Result<int> run_detached(Context& context, const PredictTarget& target, const PredictOptions& options) {
  Result<int> done = detach(context, target, options);
  if (done) return done;
  return tl::unexpected<Error>(about_model(std::move(done).error(), target.shown_name));
}

} // namespace mrun::cli
