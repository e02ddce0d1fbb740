// mrun cost: what predictions and user actions cost. Its code is in cli/cost, the program mrun-cost.
#include "cli/flags.h"

namespace mrun::cli {
namespace {

constexpr std::string_view k_actions[] = {"setup", "estimate", "check", "action", "diff"};
constexpr std::string_view k_styles[] = {"all",   "runtime", "image",     "video",
                                         "token", "request", "deployment"};
constexpr PositionalSpec k_positionals[] = {
    {.name = "ACTION",
     .choices = k_actions,
     .help =
         "setup (what this machine costs), estimate (before running), check (how far an estimate was off), "
         "action (a feature's cost per user action), diff (of two features)"},
    {.name = "REF|FILE|ID",
     .required = false,
     .repeatable = true,
     .help = "estimate: a model; check: an estimate's id; action: a feature.yaml; diff: two of them"}};
constexpr FlagSpec k_flags[] = {
    {.name = "input",
     .short_name = 'i',
     .value_name = "KEY=VALUE",
     .type = FlagType::text,
     .repeatable = true,
     .help = "estimate: an input, as for `mrun predict`"},
    {.name = "inputs",
     .value_name = "FILE",
     .type = FlagType::path,
     .help = "estimate: cases instead, one JSON object of inputs a line; the cost is their sum"},
    {.name = "calibrate",
     .value_name = "FILE",
     .type = FlagType::path,
     .help = "estimate: run these inputs first, at most 10, instead of looking at past predictions"},
    {.name = "measured",
     .value_name = "FILE",
     .type = FlagType::path,
     .help = "estimate: measurements made elsewhere, one {input, predict_ns, setup_ns, units} a line"},
    {.name = "assume",
     .value_name = "NAME=N[..WORST]",
     .type = FlagType::text,
     .repeatable = true,
     .help =
         "estimate: take this as given: seconds, setup, image, megapixel, video_s, request, input_tokens, "
         "cached_tokens, output_tokens"},
    {.name = "per-hour",
     .value_name = "N[..WORST]",
     .type = FlagType::text,
     .help = "estimate: requests that a deployment gets"},
    {.name = "keep-warm",
     .value_name = "TIME",
     .type = FlagType::duration,
     .help = "estimate: how long a deployment's worker waits before it stops"},
    {.name = "instances",
     .value_name = "N",
     .type = FlagType::integer,
     .default_text = "0",
     .help = "estimate: deployment instances that are always on; 0 scales to zero"},
    {.name = "style",
     .value_name = "STYLE",
     .type = FlagType::text,
     .choices = k_styles,
     .default_text = "all",
     .help = "estimate: only prices of that style"},
    {.name = "provider",
     .value_name = "WORD",
     .type = FlagType::text,
     .help = "estimate: only prices with that word"},
    {.name = "on",
     .value_name = "DEVICE",
     .type = FlagType::text,
     .help = "estimate: the device that was measured, as T4 or \"RTX 4090\"; without it, by what `setup` "
             "knows of "
             "this machine"},
    {.name = "to",
     .value_name = "DEVICE,…",
     .type = FlagType::text,
     .default_text = "T4,A100 80GB SXM,H100 SXM",
     .help = "estimate: project to these"},
    {.name = "dtype",
     .value_name = "TYPE",
     .type = FlagType::text,
     .default_text = "of the weights, else fp16",
     .help = "estimate: the number format of the model's work: fp32, fp16, bf16, int8, fp8"},
    {.name = "run", .help = "estimate: run the inputs afterwards and say how far off it was"},
    {.name = "budget",
     .value_name = "MONEY",
     .type = FlagType::text,
     .help = "action, diff: exit code 3 when the worst action costs more"},
    {.name = "max-increase",
     .value_name = "PERCENT",
     .type = FlagType::text,
     .help = "diff: exit code 3 when the worst action costs so much more, as 5%"},
    {.name = "max-age",
     .value_name = "DAYS",
     .type = FlagType::text,
     .default_text = "180d",
     .help = "action, diff: prices older than that decide no budget (exit code 4)"},
    {.name = "price", .value_name = "MONEY", .type = FlagType::text, .help = "setup: what the machine cost"},
    {.name = "resale",
     .value_name = "MONEY",
     .type = FlagType::text,
     .default_text = "0",
     .help = "setup: what it brings in the end"},
    {.name = "years",
     .value_name = "N",
     .type = FlagType::text,
     .default_text = "3",
     .help = "setup: how long it serves"},
    {.name = "watts-active",
     .value_name = "W",
     .type = FlagType::text,
     .help = "setup: what it draws at work"},
    {.name = "watts-idle",
     .value_name = "W",
     .type = FlagType::text,
     .help = "setup: what it draws while it waits"},
    {.name = "kwh",
     .value_name = "MONEY",
     .type = FlagType::text,
     .help = "setup: the price of a kilowatt-hour"},
    {.name = "currency",
     .value_name = "CODE",
     .type = FlagType::text,
     .default_text = "USD",
     .help = "setup: of all these"},
    {.name = "utilisation",
     .value_name = "PERCENT",
     .type = FlagType::text,
     .help = "setup: busy hours pay for all hours, at this share of busy ones; without it each hour pays for "
             "itself"},
    {.name = "tflops",
     .value_name = "N",
     .type = FlagType::text,
     .help = "setup: dense TFLOP/s of this machine, measured, for projections"},
    {.name = "memory-gbs",
     .value_name = "N",
     .type = FlagType::text,
     .help = "setup: GB/s of its memory, measured, for projections"},
};
constexpr ExampleSpec k_examples[] = {
    {"cost setup", "asks what this machine cost and draws; once"},
    {"cost estimate demo/minilm -i text=hello", "from past predictions: here, at providers, and projected"},
    {"cost estimate demo/sd --inputs batch.jsonl --calibrate ten.jsonl --run",
     "a batch: before, and how far off"},
    {"cost action docs/features/chatbot.yaml --budget 0.05",
     "typical and worst; exit code 3 over the budget"},
    {"cost diff old.yaml new.yaml --max-increase 5%", "for CI"},
};
constexpr int k_exit_codes[] = {3, 4, 5, 6, 10};

} // namespace

extern const CommandSpec k_command_cost;
constinit const CommandSpec k_command_cost{
    .name = "cost",
    .group = CommandGroup::run,
    .summary = "estimate what predictions and user actions cost, before and after",
    .description =
        "Every figure is typical and worst, by rates with a source and a date; what is not known is said to "
        "be "
        "unknown\n"
        "and never counted as 0. An estimate comes from measurements of this model on this machine (past "
        "predictions,\n"
        "--calibrate, --measured) or from what you --assume; times on other devices are ranges, marked "
        "\"projected\".\n"
        "docs/formats/cost.md has the formulas and feature.yaml.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .helper = "mrun-cost",
};

} // namespace mrun::cli
