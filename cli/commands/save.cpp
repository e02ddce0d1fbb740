// mrun save REF…: versions as one file. Its code is in cli/remote/save.cpp.
#include "cli/flags.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "REF", .repeatable = true, .help = "a model or a version of the store"}};
constexpr FlagSpec k_flags[] = {{.name = "output",
                                 .short_name = 'o',
                                 .value_name = "FILE",
                                 .type = FlagType::path,
                                 .default_text = "standard output",
                                 .help = "where to write it"},
                                {.name = "force", .short_name = 'f', .help = "replace FILE if it exists"}};
constexpr ExampleSpec k_examples[] = {
    {"save demo/minilm -o minilm.tar", "one model"},
    {"save demo/minilm:v1 demo/minilm:v2 -o both.tar", "what they share is in it once"}};
constexpr int k_exit_codes[] = {5, 6, 10};

} // namespace

extern const CommandSpec k_command_save;
constinit const CommandSpec k_command_save{
    .name = "save",
    .group = CommandGroup::share,
    .summary = "write models into one file",
    .description = "The file is a tar of an OCI image layout, the same bytes on any machine: `mrun load` "
                   "takes it, and so do\n"
                   "skopeo and other tools. Weights are not compressed; pipe it through zstd if that pays.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
};

} // namespace mrun::cli
