// mrun verify [REF…]: is the store what its names say? Its code is in cli/remote/verify.cpp.
#include "cli/flags.h"
#include "cli/given_credential.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {{.name = "REF",
                                             .required = false,
                                             .repeatable = true,
                                             .help = "a model or a version; without one: everything"}};
constexpr FlagSpec k_flags[] = {
    {.name = "key",
     .value_name = "PUB",
     .type = FlagType::path,
     .repeatable = true,
     .help = "that this public key (PEM) has signed it, too; REF may be in a registry"},
    k_username_flag,
    k_token_stdin_flag,
    {.name = "all", .help = "the whole store, also what no model needs"},
    {.name = "remove", .help = "remove what is damaged, so that pull or pack brings it again"}};
constexpr ExampleSpec k_examples[] = {{"verify demo/minilm", "one model"},
                                      {"verify --all", "every model and every blob of the store"},
                                      {"verify ghcr.io/acme/minilm --key acme.pub", "who signed it there"},
                                      {"verify --all --json", "for programs"}};
constexpr int k_exit_codes[] = {4, 5, 6, 10};

} // namespace

extern const CommandSpec k_command_verify;
constinit const CommandSpec k_command_verify{
    .name = "verify",
    .group = CommandGroup::build,
    .summary = "check that the store holds what it should",
    .description =
        "Reads every blob of the models, on all cores, and compares its sha256 with its name. Says what is\n"
        "damaged or missing, which models need it and how to mend that; then the exit code is 10.\n"
        "With --key it checks signatures first: of a model here the one that pull kept.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
};

} // namespace mrun::cli
