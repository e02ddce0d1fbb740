// mrun prices: the price book. Its code is in cli/cost, the program mrun-cost.
#include "cli/flags.h"
#include "cli/render/table.h"

namespace mrun::cli {
namespace {

constexpr std::string_view k_actions[] = {"ls", "show", "status", "verify", "import", "update"};
constexpr PositionalSpec k_positionals[] = {
    {.name = "ACTION",
     .choices = k_actions,
     .help = "ls (every price), show (one, with its source and billed states), status (how old they are), "
             "verify (known traps), import (your own prices), update (a newer book)"},
    {.name = "WORD|FILE",
     .required = false,
     .repeatable = true,
     .help = "ls, show: words of provider and product; verify, import: a price file"}};
constexpr FlagSpec k_flags[] = {
    {.name = "from",
     .value_name = "FILE|URL",
     .type = FlagType::text,
     .help = "update: where the newer book is; https, or http on this machine"},
    {.name = "per",
     .value_name = "UNIT",
     .type = FlagType::text,
     .help = "ls, show: only prices of that unit: gpu_h, image, video_s, mtok_in …"},
    {.name = "all", .help = "ls: older and withdrawn figures too"},
    {.name = "max-age",
     .value_name = "DAYS",
     .type = FlagType::text,
     .help = "status: fail (exit code 4) when a price was read longer ago, as 30d"},
    {.name = "hardware",
     .value_name = "FILE",
     .type = FlagType::path,
     .help = "verify: a table of devices too, as share/mrun/hardware.json"},
    k_plain_flag,
    {.name = "strict", .help = "verify, import, update: a warning counts as a fault"},
    {.name = "dry-run", .help = "import, update: say what would change, and write nothing"},
};
constexpr ExampleSpec k_examples[] = {
    {"prices ls t4", "what a T4 costs, and where"},
    {"prices show replicate T4", "with source, date and the states that are billed"},
    {"prices status --max-age 30d", "for CI on launch day: fails when a price is older"},
    {"prices import contract.json", "prices of your own: they override the others"},
    {"prices update --from https://example.org/prices.json", "checked row by row before it is taken"},
};
constexpr int k_exit_codes[] = {4, 5, 6};

} // namespace

extern const CommandSpec k_command_prices;
constinit const CommandSpec k_command_prices{
    .name = "prices",
    .group = CommandGroup::run,
    .summary = "look up, check and bring up to date what providers charge",
    .description =
        "Three books lie over each other: the one that ships with mrun, the one that `update` brought, and "
        "your own\n"
        "rows (prices.json beside config.yaml), which override the others. Every figure has a source and the "
        "date on\n"
        "which it was read; nothing is fetched unless you say from where. The daemon reads them at its "
        "start.\n"
        "docs/formats/cost.md describes the file and the traps that `verify` knows.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .helper = "mrun-cost",
};

} // namespace mrun::cli
