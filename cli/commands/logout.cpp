// mrun logout HOST. Its code is in cli/remote/logout.cpp.
#include "cli/flags.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {{.name = "HOST", .help = "the registry"}};

constexpr ExampleSpec k_examples[] = {{"logout ghcr.io", "what `docker login` kept for it goes, too"}};
constexpr int k_exit_codes[] = {4, 6};

} // namespace

extern const CommandSpec k_command_logout;
constinit const CommandSpec k_command_logout{
    .name = "logout",
    .group = CommandGroup::share,
    .summary = "forget the credentials of a registry",
    .description = "Takes them out of the Docker config and its credential helper.",
    .positionals = k_positionals,

    .examples = k_examples,
    .exit_codes = k_exit_codes,
};

} // namespace mrun::cli
