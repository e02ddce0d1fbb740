// mrun show REF: what a model takes and gives.
#include "cli/arguments.h"
#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/predict/target.h"
#include "cli/render/json_text.h"
#include "cli/render/model_text.h"

namespace mrun::cli {
namespace {

constexpr std::chrono::milliseconds k_stats_wait{200};

constexpr PositionalSpec k_positionals[] = {
    {.name = "REF|DIR", .help = "a model, a digest, or a model directory"}};
constexpr ExampleSpec k_examples[] = {{"show demo/minilm", "inputs, output, size, license, last latency"},
                                      {"show demo/minilm --json", "with the OpenAPI schema"}};
constexpr int k_exit_codes[] = {5, 6, 10};

// What a running daemon last measured; null when none runs or it is too busy to say.
Json last_stats(const Context& context, const Digest& version) {
  auto client = DaemonClient::connect(context, Start::never);
  if (!client) return nullptr;
  auto stats = client->get("/mrun/v1/versions/" + version.hex() + "/stats",
                           std::chrono::steady_clock::now() + k_stats_wait);
  return stats && stats->is_object() && !stats->empty() ? *stats : Json(nullptr);
}

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const PredictTarget target, find_target(context, arguments));
  const Json stats = last_stats(context, target.bundle.digest);
  if (context.json)
    MRUN_TRY(print_json(context.terminal, model_json(target.bundle, stats)));
  else
    MRUN_TRY(context.terminal.out(model_text(context.terminal, target.bundle, stats)));
  return 0;
}

} // namespace

extern const CommandSpec k_command_show;
constinit const CommandSpec k_command_show{
    .name = "show",
    .group = CommandGroup::build,
    .summary = "show a model's inputs, output, size and license",
    .description =
        "The last measured latency comes from the daemon when one runs; it is never started for this.",
    .positionals = k_positionals,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
