// mrun inspect REMOTE. Its code is in cli/remote/inspect.cpp.
#include "cli/flags.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "REMOTE", .help = "registry.example.com/owner/name[:tag]"}};

constexpr ExampleSpec k_examples[] = {{"inspect ghcr.io/acme/minilm", "the tag latest"},
                                      {"inspect ghcr.io/acme/minilm --json", "for programs"}};
constexpr int k_exit_codes[] = {0, 1, 2, 4, 5, 10, 75, 130};

} // namespace

extern const CommandSpec k_command_inspect;
constinit const CommandSpec k_command_inspect{
    .name = "inspect",
    .group = CommandGroup::share,
    .summary = "look at a remote model without pulling it",
    .description = "Its size, files, inputs and license: the manifest and mrun.yaml are read, no weights.",
    .positionals = k_positionals,

    .examples = k_examples,
    .exit_codes = k_exit_codes,
};

} // namespace mrun::cli
