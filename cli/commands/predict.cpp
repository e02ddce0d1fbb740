// mrun predict REF|DIR: types the inputs, runs the model in the daemon, shows what comes.
#include <array>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/consent.h"
#include "cli/context.h"
#include "cli/device.h"
#include "cli/flags.h"
#include "cli/locked.h"
#include "cli/predict/batch.h"
#include "cli/predict/plan.h"
#include "cli/predict/run.h"
#include "cli/predict/target.h"
#include "cli/render/github.h"

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
    {.name = "inputs",
     .value_name = "FILE|-",
     .type = FlagType::path,
     .help =
         "inputs as JSON: one object, or one a line, each a prediction; a file input is \"@path\", beside "
         "the file"},
    {.name = "count",
     .short_name = 'n',
     .value_name = "N",
     .type = FlagType::integer,
     .default_text = "1",
     .help = "the same prediction so many times"},
    {.name = "jobs",
     .value_name = "N",
     .type = FlagType::integer,
     .default_text = "1",
     .help = "so many predictions at once; results keep the order of their inputs"},
    {.name = "keep-going", .help = "a prediction that fails does not end the others"},
    {.name = "output",
     .short_name = 'o',
     .value_name = "FILE",
     .type = FlagType::path,
     .help = "write the output there; `-` is standard output, raw; %{index} (of several predictions: which "
             "one) and %{ext} are filled in"},
    {.name = "force", .short_name = 'f', .help = "let -o replace a file"},
    k_device_flag,
    {.name = "timeout",
     .value_name = "TIME",
     .type = FlagType::duration,
     .help = "cancel and give up after this long, as 500ms, 30s, 2m; of several, each"},
    {.name = "retry",
     .value_name = "N",
     .type = FlagType::integer,
     .default_text = "0",
     .help = "try so many times more, when what failed passes by itself and nothing was shown of it"},
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
    k_github_flag,
    {.name = "timings", .help = "show every phase, memory and cost on standard error"},
    {.name = "print-id", .help = "print the prediction's id on standard error first"},
    {.name = "detach", .help = "print the id and leave; the prediction goes on (`mrun wait ID`)"},
    {.name = "dry-run",
     .help = "check the inputs, say where it would run, with how much memory and cost; "
             "start nothing"},
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
    {"predict demo/minilm --inputs texts.jsonl --jobs 4 --json > out.jsonl",
     "a line in, a line out, in order"},
    {"predict demo/upscale -i image=@- -o - < a.png | mrun predict demo/mobilenet -i image=@-",
     "one model's output into the next"},
    {"predict demo/paint -i prompt=fox -n 5 -o 'out/%{index}.%{ext}'", "five of them"},
};
constexpr int k_exit_codes[] = {4, 5, 6, 7, 10, 124};
constexpr long long k_max_count = 100'000;
constexpr long long k_max_jobs = 64;
constexpr long long k_max_retries = 100;

Result<long long> number_of(const Arguments& arguments, std::string_view flag, long long least,
                            long long most) {
  const long long number = arguments.integer(flag).value_or(least);
  if (number >= least && number <= most) return number;
  return fail(ErrorCode::flag_value,
              fmt::format("`--{}` is {}, it takes {} to {}", flag, number, least, most));
}

Result<void> check_together(const Context& context, const Arguments& arguments) {
  static constexpr std::array<std::array<std::string_view, 2>, 7> k_apart = {{{"inputs", "count"},
                                                                              {"github", "detach"},
                                                                              {"dry-run", "detach"},
                                                                              {"detach", "output"},
                                                                              {"detach", "retry"},
                                                                              {"detach", "timings"},
                                                                              {"detach", "jobs"}}};
  for (const auto& [one, other] : k_apart)
    if (arguments.has(one) && arguments.has(other))
      return fail(ErrorCode::usage, fmt::format("`--{}` and `--{}` exclude each other", one, other));
  if (context.github && arguments.value("output") == "-")
    return fail(ErrorCode::usage,
                "`--github` is for a log that people read: with `-o -` only the output is there");
  if (context.stream && (arguments.has("detach") || arguments.has("dry-run")))
    return fail(ErrorCode::usage, "`--json=stream` is of a prediction that is followed to its end");
  return {};
}

Result<PredictOptions> read_options(const Context& context, const Arguments& arguments) {
  MRUN_TRY(check_together(context, arguments));
  PredictOptions options;
  options.inputs = arguments.values("input");
  options.inputs_file = arguments.value("inputs").value_or("");
  MRUN_ASSIGN(options.count, number_of(arguments, "count", 1, k_max_count));
  MRUN_ASSIGN(options.jobs, number_of(arguments, "jobs", 1, k_max_jobs));
  MRUN_ASSIGN(options.retries, number_of(arguments, "retry", 0, k_max_retries));
  options.keep_going = arguments.has("keep-going");
  options.output = {.target = arguments.value("output").value_or(""), .replace = arguments.has("force")};
  options.device = arguments.value("device").value_or("auto");
  options.timeout = arguments.duration("timeout");
  options.tags = arguments.values("tag");
  options.timings = arguments.has("timings");
  options.print_id = arguments.has("print-id");
  return options;
}

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const PredictOptions options, read_options(context, arguments));
  MRUN_ASSIGN(const PredictTarget target, find_target(context, arguments));
  const bool is_dry = arguments.has("dry-run");
  MRUN_TRY(
      settle_consent(context, target.bundle, arguments.positional(0), arguments.has("trust") && !is_dry));
  if (is_dry) return show_plan(context, target, options);
  MRUN_ASSIGN(const auto group, github_group(context, "mrun predict " + target.shown_name));
  if (arguments.has("detach")) return run_detached(context, target, options);
  if (options.is_batch()) return run_batch(context, target, options);
  return run_prediction(context, target, options);
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
                   "a second Ctrl-C leaves at once. `--json` prints Replicate's prediction object, "
                   "`--json=stream` each event as it\n"
                   "comes.\n\n"
                   "With --inputs or -n results come in the order of the inputs, with --json a line each. "
                   "Every line of a file is\n"
                   "checked before anything runs. The first prediction that fails ends them; with "
                   "--keep-going all run, and the exit\n"
                   "code is that of the first that failed.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .streams = true,
    .exit_codes = k_exit_codes,
    .needs_registry = target_needs_pull,
    .run = run,
};

} // namespace mrun::cli
