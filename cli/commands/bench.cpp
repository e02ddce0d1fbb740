// mrun bench REF: how fast a model is. Its code is in cli/bench, the program mrun-bench.
#include "cli/device.h"
#include "cli/flags.h"
#include "cli/locked.h"

namespace mrun::cli {
namespace {

constexpr std::string_view k_modes[] = {"all", "cold", "warm", "load"};
constexpr std::string_view k_tiers[] = {"process", "disk", "host", "pull"};
constexpr std::string_view k_arrivals[] = {"poisson", "constant"};
constexpr PositionalSpec k_positionals[] = {
    {.name = "REF|DIR", .help = "a model (owner/name[:tag]), a digest, or a model directory"}};
constexpr FlagSpec k_flags[] = {
    {.name = "input",
     .short_name = 'i',
     .value_name = "KEY=VALUE",
     .type = FlagType::text,
     .repeatable = true,
     .help = "an input, as for `mrun predict`"},
    {.name = "inputs",
     .value_name = "FILE",
     .type = FlagType::path,
     .help = "cases instead: one JSON object of inputs a line, used in turn; files as \"@path\""},
    {.name = "mode",
     .value_name = "MODE",
     .type = FlagType::text,
     .choices = k_modes,
     .default_text = "all",
     .help = "what to measure; all is cold and warm"},
    {.name = "cold",
     .value_name = "TIER",
     .type = FlagType::text,
     .choices = k_tiers,
     .default_text = "process",
     .help =
         "how much is reset before a cold start: the worker; the model's files in the page cache too; all of "
         "the page cache; or the model is pulled again"},
    {.name = "drop-caches", .help = "allow --cold host to empty the machine's page cache (root)"},
    {.name = "runs",
     .short_name = 'n',
     .value_name = "N",
     .type = FlagType::integer,
     .default_text = "10",
     .help = "cold starts"},
    {.name = "duration",
     .value_name = "TIME",
     .type = FlagType::duration,
     .default_text = "10s",
     .help = "of the warm part, and of each step of a load"},
    {.name = "warmup",
     .value_name = "N",
     .type = FlagType::text,
     .default_text = "auto",
     .help = "requests before warm samples count; auto: until three windows agree within 10 %"},
    {.name = "concurrency",
     .value_name = "N,N…",
     .type = FlagType::text,
     .help = "load: clients of closed loops; without, 1, 2, 4 … until nothing is gained"},
    {.name = "rate",
     .value_name = "R,R…",
     .type = FlagType::text,
     .help = "load: requests per second of open loops; `auto`: 10 to 110 % of the ceiling"},
    {.name = "arrival",
     .value_name = "KIND",
     .type = FlagType::text,
     .choices = k_arrivals,
     .default_text = "poisson",
     .help = "load: how open loops space their requests"},
    {.name = "slo",
     .value_name = "LIMITS",
     .type = FlagType::text,
     .help = "what must hold: p95=500ms,error_rate=0.1%"},
    {.name = "baseline",
     .value_name = "REF|FILE",
     .type = FlagType::text,
     .repeatable = true,
     .help = "compare: a model, measured interleaved; or results of earlier runs (.json, .jsonl)"},
    {.name = "pin",
     .value_name = "ID|DIGEST",
     .type = FlagType::text,
     .help = "which result of the baseline's files to compare with; without, the newest that passed"},
    {.name = "max-regress",
     .value_name = "LIMITS",
     .type = FlagType::text,
     .default_text = "p50=5%,p95=10%,cold=10%",
     .help = "what the gate tolerates; also rss"},
    {.name = "blocks",
     .value_name = "N",
     .type = FlagType::integer,
     .default_text = "10",
     .help = "how often model and baseline take turns"},
    {.name = "confidence",
     .value_name = "P",
     .type = FlagType::text,
     .default_text = "0.95",
     .help = "of the gate's one-sided bounds"},
    {.name = "fail-inconclusive", .help = "exit with 3 when the gate can't decide"},
    {.name = "strict", .help = "a warning makes the result invalid"},
    {.name = "output",
     .short_name = 'o',
     .value_name = "FILE",
     .type = FlagType::path,
     .repeatable = true,
     .help = "write a report too: .json .jsonl (appends) .csv .md .xml (JUnit) .html, or KIND=FILE"},
    {.name = "force", .short_name = 'f', .help = "let -o replace files"},
    {.name = "github", .help = "print annotations and add to the step summary of GitHub Actions"},
    {.name = "seed",
     .value_name = "N",
     .type = FlagType::integer,
     .default_text = "1",
     .help = "of arrivals and resampling"},
    k_device_flag,
    {.name = "timeout",
     .value_name = "TIME",
     .type = FlagType::duration,
     .default_text = "60s",
     .help = "of one prediction"},
    k_locked_flag,
};
constexpr ExampleSpec k_examples[] = {
    {"bench demo/minilm -i text=hello", "cold start by phases, and warm latency"},
    {"bench demo/minilm -i text=hello --cold disk -o report.html",
     "with its files out of the page cache; a page to show"},
    {"bench demo/minilm -i text=hello --mode load --slo p95=200ms",
     "throughput against latency, and the knee"},
    {"bench demo/minilm:next -i text=hello --baseline demo/minilm:prod",
     "the gate for CI: exit code 3 when it is slower"},
    {"bench demo/minilm --inputs cases.jsonl --mode warm -o junit=bench.xml --github",
     "many inputs, reports for CI"}};
constexpr int k_exit_codes[] = {3, 4, 5, 6, 9, 10};

} // namespace

extern const CommandSpec k_command_bench;
constinit const CommandSpec k_command_bench{
    .name = "bench",
    .group = CommandGroup::run,
    .summary = "measure cold start, latency, throughput and cost of a model",
    .description =
        "Every result says by itself whether it may be believed: VALID, or INVALID and why (too few samples, "
        "a\n"
        "start that was not cold, a load generator that was late). Then the exit code is 9. A percentile is\n"
        "shown only where there are samples enough for it. docs/bench.md explains tiers, loads and the "
        "gate.\n\n"
        "Cold starts unload the model first (as `mrun stop` does). Ctrl-C ends early and keeps what was "
        "measured.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .helper = "mrun-bench",
};

} // namespace mrun::cli
