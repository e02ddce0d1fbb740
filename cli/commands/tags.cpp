// mrun tags REMOTE. Its code is in cli/remote/tags.cpp.
#include "cli/flags.h"
#include "cli/given_credential.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {{.name = "REMOTE", .help = "registry.example.com/owner/name"}};
constexpr FlagSpec k_flags[] = {k_username_flag, k_token_stdin_flag};
constexpr ExampleSpec k_examples[] = {{"tags ghcr.io/acme/minilm", "one a line"}};
constexpr int k_exit_codes[] = {4, 5, 6};

} // namespace

extern const CommandSpec k_command_tags;
constinit const CommandSpec k_command_tags{
    .name = "tags",
    .group = CommandGroup::share,
    .summary = "list the tags of a remote model",
    .description = "Sorted by name.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
};

} // namespace mrun::cli
