// mrun login HOST: credentials for a registry. Its code is in cli/remote/login.cpp.
#include "cli/flags.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "HOST", .help = "the registry: ghcr.io, localhost:5000"}};
constexpr FlagSpec k_flags[] = {
    {.name = "username",
     .short_name = 'u',
     .value_name = "NAME",
     .type = FlagType::text,
     .help = "the user; asked for on a terminal"},
    {.name = "token-stdin", .help = "read the password or token from standard input"},
    {.name = "token-server",
     .value_name = "HOST",
     .type = FlagType::text,
     .help = "also send it there, where the registry has its tokens given out"}};
constexpr ExampleSpec k_examples[] = {
    {"login ghcr.io -u me --token-stdin", "in a script: the token comes from standard input"},
    {"login localhost:5000", "asks on the terminal"}};
constexpr int k_exit_codes[] = {4, 6};

} // namespace

extern const CommandSpec k_command_login;
constinit const CommandSpec k_command_login{
    .name = "login",
    .group = CommandGroup::share,
    .summary = "keep a user and password for a registry",
    .description =
        "They are tried, and then kept in the credential helper that the Docker config names, else in\n"
        "that config itself (~/.docker/config.json, mode 0600). A registry that asks nobody for a password\n"
        "can't tell whether it is right: then a warning says so. The password is never taken from the\n"
        "command line. It goes to HOST and to a token server of HOST's own domain, to another one only\n"
        "when you name it, or say yes to it on the terminal.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
};

} // namespace mrun::cli
