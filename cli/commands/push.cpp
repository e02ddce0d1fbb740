// mrun push REF [REMOTE]: a model goes to a registry. Its code is in cli/remote/push.cpp.
#include "cli/flags.h"
#include "cli/given_credential.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "REF", .help = "a version that is here"},
    {.name = "REMOTE",
     .required = false,
     .help = "where to: registry.example.com/owner/name[:tag]; by default REF itself, when it names a host"}};
constexpr std::string_view k_formats[] = {"mrun", "modelpack"};
constexpr FlagSpec k_flags[] = {
    {.name = "sign",
     .value_name = "KEY",
     .type = FlagType::path,
     .help = "sign it with this private key (PEM: Ed25519, ECDSA P-256 or P-384)"},
    {.name = "passphrase-stdin", .help = "read the passphrase of the key from standard input"},
    {.name = "format",
     .value_name = "FORMAT",
     .type = FlagType::text,
     .choices = k_formats,
     .default_text = "mrun",
     .help = "modelpack: whole files, as modctl and Docker Model Runner read them"},
    k_username_flag,
    k_token_stdin_flag,
    {.name = "dry-run", .short_name = 'n', .help = "say what would move, and move nothing"}};
constexpr ExampleSpec k_examples[] = {
    {"push demo/minilm ghcr.io/acme/minilm", "under another name, tag latest"},
    {"push demo/minilm:v2 localhost:5000/demo/minilm:v2", "to a registry on this machine"},
    {"push demo/llm ghcr.io/acme/llm:modelpack --format modelpack", "for other tools"},
    {"push demo/minilm ghcr.io/acme/minilm -u me --token-stdin", "the token comes from standard input"},
    {"push demo/minilm ghcr.io/acme/minilm --sign acme.pem", "signed, as `cosign verify` reads it"}};
constexpr int k_exit_codes[] = {4, 5, 6, 10};

} // namespace

extern const CommandSpec k_command_push;
constinit const CommandSpec k_command_push{
    .name = "push",
    .group = CommandGroup::share,
    .summary = "send a model to a registry",
    .description =
        "Only what the registry lacks is sent; the tag is set last, so that nobody sees half a model.\n"
        "A signature (--sign) goes beside it; what was pushed before can be signed by pushing it again.\n"
        "With --format modelpack it goes there as a CNCF ModelPack artifact, which has a digest of its own.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
};

} // namespace mrun::cli
