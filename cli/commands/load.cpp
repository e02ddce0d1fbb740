// mrun load FILE: models come out of a file or a folder. Its code is in cli/remote/load.cpp.
#include "cli/consent.h"
#include "cli/flags.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "FILE|DIR|-",
     .help = "a tar of an OCI image layout (also .gz, .zst), such a folder, or standard input"},
    {.name = "REF", .required = false, .help = "what to call it; without: the name that it carries"}};
constexpr FlagSpec k_flags[] = {
    k_trust_flag, {.name = "force", .short_name = 'f', .help = "move a tag here that means another version"}};
constexpr ExampleSpec k_examples[] = {{"load minilm.tar", "what `mrun save` wrote"},
                                      {"load minilm.tar me/minilm:v2", "under another name"},
                                      {"load - < minilm.tar.zst", "from a pipe"}};
constexpr int k_exit_codes[] = {4, 5, 6, 10};

} // namespace

extern const CommandSpec k_command_load;
constinit const CommandSpec k_command_load{
    .name = "load",
    .group = CommandGroup::share,
    .summary = "get models from a file",
    .description =
        "Every blob is verified while it is read. A version gets its name when all of it is there and is a "
        "valid\n"
        "bundle. The file may come from a stranger: links, devices, other paths and bombs are refused.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
};

} // namespace mrun::cli
