// mrun completion SHELL: the script that makes a shell complete mrun's commands, models and inputs.
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/flags.h"

namespace mrun::cli {
namespace {

constexpr std::string_view k_shells[] = {"bash", "zsh", "fish"};
constexpr PositionalSpec k_positionals[] = {
    {.name = "SHELL", .choices = k_shells, .help = "bash, zsh or fish"}};
constexpr ExampleSpec k_examples[] = {
    {"completion bash > ~/.local/share/bash-completion/completions/mrun", "for every new bash"},
    {"completion zsh > \"${fpath[1]}/_mrun\"", "for every new zsh"},
    {"completion fish > ~/.config/fish/completions/mrun.fish", "for every new fish"}};

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const InstallPaths install, context.install());
  const auto path = install.share() / "completion" / ("mrun." + arguments.positional(0));
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (text.empty())
    return fail(ErrorCode::io, fmt::format("can't read {}", path.string()), "install mrun again");
  MRUN_TRY(context.terminal.out(text));
  return 0;
}

} // namespace

extern const CommandSpec k_command_completion;
constinit const CommandSpec k_command_completion{
    .name = "completion",
    .group = CommandGroup::help,
    .summary = "print a shell's completion script",
    .description = "It completes commands, flags, models, tags and versions of the store, and after `predict "
                   "MODEL -i` the\n"
                   "model's inputs and their choices. It reads the store and never starts the daemon. To try "
                   "it in this\n"
                   "shell only: `source <(mrun completion bash)`.",
    .positionals = k_positionals,
    .examples = k_examples,
    .run = run,
};

} // namespace mrun::cli
