// mrun diff A B: what a new version changes.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/predict/target.h"
#include "cli/render/diff_text.h"
#include "cli/render/json_text.h"
#include "packager/remote_name.h"

namespace mrun::cli {
namespace {

constexpr int k_differs_exit_code = 3; // a gate failed

constexpr PositionalSpec k_positionals[] = {{.name = "A", .help = "the version that callers use"},
                                            {.name = "B", .help = "the version that they would get"}};
constexpr FlagSpec k_flags[] = {
    {.name = "exit-code", .help = "exit with 3 for any difference, not only for one that breaks callers"}};
constexpr ExampleSpec k_examples[] = {
    {"diff demo/minilm:v1 demo/minilm:v2", "files, tensors, inputs and output"},
    {"diff demo/minilm:v1 demo/minilm:v2 --json", "for programs"}};
constexpr int k_exit_codes[] = {3, 5, 6, 10};

Result<Bundle> load_version(const Store& store, const std::string& text) {
  MRUN_ASSIGN(const Reference reference, Reference::parse(text));
  MRUN_ASSIGN(const Digest digest, find_version(store, reference));
  return store.load(digest);
}

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const Store store, open_store_to_read(context));
  MRUN_ASSIGN(const Bundle before, load_version(store, arguments.positional(0)));
  MRUN_ASSIGN(const Bundle after, load_version(store, arguments.positional(1)));
  MRUN_ASSIGN(const BundleDiff diff, diff_bundles(store, before, after));
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, diff_json(before, after, diff)));
  } else {
    MRUN_TRY(context.terminal.out(diff_text(context.terminal, diff, context.verbose)));
    context.say(diff_summary(diff));
  }
  const bool fails = arguments.has("exit-code") ? diff.differs() : diff.breaks();
  return fails ? k_differs_exit_code : 0;
}

} // namespace

extern const CommandSpec k_command_diff;
constinit const CommandSpec k_command_diff{
    .name = "diff",
    .group = CommandGroup::build,
    .summary = "compare two versions: files, tensors, inputs and output",
    .description =
        "Says which changes break those who call the model: an input that is no longer taken or newly "
        "required,\n"
        "a type, range or choice that became narrower, an output that may be something new. Then the exit "
        "code\n"
        "is 3. Tensors of safetensors, GGUF and PyTorch files are compared by name; what two versions share\n"
        "in the store is not read.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
