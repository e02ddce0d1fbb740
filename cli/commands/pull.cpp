// mrun pull REMOTE: a model comes from a registry. Its code is in cli/remote/pull.cpp.
#include "cli/consent.h"
#include "cli/flags.h"
#include "cli/given_credential.h"
#include "cli/locked.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "REMOTE",
     .required = false,
     .help =
         "registry.example.com/owner/name[:tag][@sha256:…]; without a host, of `registry:` in config.yaml"}};
constexpr FlagSpec k_flags[] = {
    {.name = "key",
     .value_name = "PUB",
     .type = FlagType::path,
     .repeatable = true,
     .help = "fetch it only when this public key (PEM) has signed it"},
    k_locked_flag,
    k_trust_flag,
    k_username_flag,
    k_token_stdin_flag,
    {.name = "force",
     .short_name = 'f',
     .help = "move a tag here that belongs to another model, and hash what is here again"},
    {.name = "dry-run", .short_name = 'n', .help = "say what would move, and move nothing"}};
constexpr ExampleSpec k_examples[] = {{"pull ghcr.io/acme/minilm", "the tag latest"},
                                      {"pull localhost:5000/acme/minilm:v2 --dry-run", "how much it is"},
                                      {"pull ghcr.io/acme/minilm@sha256:…", "this version, without a tag"},
                                      {"pull ghcr.io/acme/minilm --key acme.pub", "if acme has signed it"},
                                      {"pull --locked", "all that mrun.lock names"}};
constexpr int k_exit_codes[] = {4, 5, 6, 10};

} // namespace

extern const CommandSpec k_command_pull;
constinit const CommandSpec k_command_pull{
    .name = "pull",
    .group = CommandGroup::share,
    .summary = "get a model from a registry",
    .description =
        "What is here already is not fetched again, and an interrupted pull goes on where it was. Each\n"
        "piece is verified while it arrives. The model gets its name without the registry's host:\n"
        "ghcr.io/acme/sdxl becomes acme/sdxl. What is asked for by digest alone moves no tag: it is kept as\n"
        "acme/sdxl@sha256:… until `mrun rm`.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
};

} // namespace mrun::cli
