// mrun inspect FILE: what a model file is. mrun inspect REMOTE is in cli/remote/inspect.cpp.
#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/given_credential.h"
#include "cli/model_file.h"
#include "cli/render/file_report_text.h"
#include "cli/render/json_text.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "WHAT", .help = "a model file, or registry.example.com/owner/name[:tag]"}};

constexpr FlagSpec k_flags[] = {k_username_flag, k_token_stdin_flag};
constexpr ExampleSpec k_examples[] = {{"inspect model.pt2", "inputs, outputs, operators, weights of a file"},
                                      {"inspect ghcr.io/acme/minilm", "the tag latest"},
                                      {"inspect ghcr.io/acme/minilm --json", "for programs"}};
constexpr int k_exit_codes[] = {4, 5, 6, 10};

bool is_remote(const Context&, const Arguments& arguments) {
  return !names_model_file(arguments.positional(0));
}

Result<int> run(Context& context, const Arguments& arguments) {
  if (arguments.has("token-stdin") || arguments.has("username"))
    return fail(ErrorCode::usage, "a file on this machine needs no password");
  MRUN_ASSIGN(const Json report, inspect_model_file(context, arguments.positional(0), false));
  if (context.json)
    MRUN_TRY(print_json(context.terminal, report));
  else
    MRUN_TRY(context.terminal.out(file_report_text(context.terminal, report)));
  return 0;
}

} // namespace

extern const CommandSpec k_command_inspect;
constinit const CommandSpec k_command_inspect{
    .name = "inspect",
    .group = CommandGroup::share,
    .summary = "look at a model file, or at a remote model without pulling it",
    .description =
        "Of a file (.pt2, .pt, .safetensors, .gguf; what begins with ./, / or ~ is always one): what it is,\n"
        "its inputs with dtypes, symbolic sizes and their ranges, its outputs, operators with counts,\n"
        "weights, what of it can't run here, and whether it is native code. Nothing of it runs.\n"
        "Of a remote model: its size, files, inputs and license. The manifest and mrun.yaml are read, no\n"
        "weights.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .needs_registry = is_remote,
    .run = run,
};

} // namespace mrun::cli
