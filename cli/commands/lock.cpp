// mrun lock [REF…]: writes down which version a name means. Its code is in cli/remote/lock.cpp.
#include "cli/flags.h"
#include "cli/given_credential.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "REF",
     .required = false,
     .repeatable = true,
     .help = "[host/]owner/name[:tag]; by default all that mrun.lock names"}};
constexpr FlagSpec k_flags[] = {k_username_flag, k_token_stdin_flag};
constexpr ExampleSpec k_examples[] = {
    {"lock ghcr.io/acme/minilm demo/mobilenet:v2", "adds both, or moves them"},
    {"lock", "what each name of mrun.lock means by now"}};
constexpr int k_exit_codes[] = {4, 5, 6, 10};

} // namespace

extern const CommandSpec k_command_lock;
constinit const CommandSpec k_command_lock{
    .name = "lock",
    .group = CommandGroup::share,
    .summary = "pin models to versions in mrun.lock",
    .description =
        "mrun.lock belongs to your project, beside the code that uses the models. A name with a host is\n"
        "asked for in its registry, any other one is looked up here. `pull --locked` and `predict\n"
        "--locked` then use these versions and refuse all others. The file of this folder or of the\n"
        "nearest one above it counts; without one, it is made here.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
};

} // namespace mrun::cli
