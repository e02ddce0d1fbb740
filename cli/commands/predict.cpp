// mrun predict REF|DIR: types the inputs, runs the model in the daemon, shows what comes.
#include <array>

#include "cli/arguments.h"
#include "cli/consent.h"
#include "cli/context.h"
#include "cli/device.h"
#include "cli/flags.h"
#include "cli/locked.h"
#include "cli/predict/run.h"
#include "cli/predict/target.h"

namespace mrun::cli {
namespace {

constexpr std::string_view k_pull_times[] = {"always", "missing", "never"};
constexpr std::string_view k_aliases[] = {"run"};
constexpr PositionalSpec k_positionals[] = {
    {.name = "REF|DIR",
     .help = "a model (owner/name[:tag]), a model of a registry (host/owner/name[:tag]), a digest, or a "
             "model directory (begins with `.`, `/` or `~`)"}};
constexpr FlagSpec k_flags[] = {
    {.name = "input",
     .short_name = 'i',
     .value_name = "KEY=VALUE",
     .type = FlagType::text,
     .repeatable = true,
     .help = "an input: key=value, key=@file, key=@- (standard input), key:=JSON, key=@@text"},
    {.name = "output",
     .short_name = 'o',
     .value_name = "FILE",
     .type = FlagType::path,
     .help = "write the output there; `-` is standard output, raw; %{index} and %{ext} are filled in"},
    {.name = "force", .short_name = 'f', .help = "let -o replace a file"},
    k_device_flag,
    {.name = "timeout",
     .value_name = "TIME",
     .type = FlagType::duration,
     .help = "cancel and give up after this long, as 500ms, 30s, 2m"},
    {.name = "pull",
     .value_name = "WHEN",
     .type = FlagType::text,
     .choices = k_pull_times,
     .default_text = "missing",
     .help = "whether to ask the registry of a REF with a host"},
    {.name = "tag",
     .value_name = "KEY=VALUE",
     .type = FlagType::text,
     .repeatable = true,
     .help = "note it beside the prediction: `mrun ledger` and `mrun stats` sum costs by it"},
    k_locked_flag,
    k_trust_flag,
    {.name = "timings", .help = "show every phase, memory and cost on standard error"},
    {.name = "print-id", .help = "print the prediction's id on standard error first"},
};
constexpr ExampleSpec k_examples[] = {
    {"predict demo/minilm -i text=\"A man is eating food.\"", "a text in, numbers out"},
    {"predict demo/mobilenet -i image=@coffee.png -i top_k=1", "a file in"},
    {"predict ./my-model -i text=hello --timings", "a directory, packed on the fly; where the time went"},
    {"predict demo/minilm -i text=hello --tag user=alice",
     "to see later what alice cost: `mrun stats --by tag:user`"},
    {"predict ghcr.io/acme/minilm -i text=hello", "pulled first, if it is not here"},
    {"predict demo/minilm -i text=@- --json < note.txt",
     "standard input in, the whole prediction object out"},
};
constexpr int k_exit_codes[] = {0, 1, 2, 4, 5, 6, 7, 10, 75, 124, 130, 143};

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const PredictTarget target, find_target(context, arguments));
  MRUN_TRY(settle_consent(context, target.bundle, arguments.positional(0), arguments.has("trust")));
  return run_prediction(
      context, target,
      {.inputs = arguments.values("input"),
       .output = {.target = arguments.value("output").value_or(""), .replace = arguments.has("force")},
       .device = arguments.value("device").value_or("auto"),
       .timeout = arguments.duration("timeout"),
       .tags = arguments.values("tag"),
       .timings = arguments.has("timings"),
       .print_id = arguments.has("print-id")});
}

} // namespace

extern const CommandSpec k_command_predict;
constinit const CommandSpec k_command_predict{
    .name = "predict",
    .aliases = k_aliases,
    .group = CommandGroup::run,
    .summary = "run a model and show its output",
    .description = "Inputs are typed by the model's schema (`mrun show REF` lists them); a wrong key, type "
                   "or range is refused\n"
                   "before anything runs. Text streams to standard output as it comes, JSON is printed, "
                   "files are saved under\n"
                   "their names and the paths printed. An existing file is never replaced without -f.\n\n"
                   "The daemon is started when it isn't running (not with MRUN_NO_AUTOSTART=1). Ctrl-C "
                   "cancels the prediction;\n"
                   "a second Ctrl-C leaves at once. `--json` prints Replicate's prediction object.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .needs_registry = target_needs_pull,
    .run = run,
};

} // namespace mrun::cli
