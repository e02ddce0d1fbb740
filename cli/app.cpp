#include "cli/app.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <exception>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/client/interrupt.h"
#include "cli/complete/complete.h"
#include "cli/context.h"
#include "cli/help.h"
#include "cli/render/errors.h"
#include "common/build_info.h"
#include "common/code_trace.h"
#include "common/standard_files.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

// The exit code.
int end_with(const Context& context, const Error& error) {
  const int exit_code = show_error(context, error);
  const int signaled = error.code == ErrorCode::interrupted_by_user ? InterruptGuard::last_exit_code() : 0;
  return signaled != 0 ? signaled : exit_code;
}

tl::unexpected<Error> unknown_command(std::string_view word) {
  std::vector<std::string> names;
  for (const CommandSpec* command : all_commands()) {
    names.emplace_back(command->name);
    for (const std::string_view alias : command->aliases)
      names.emplace_back(alias);
  }
  const std::string near = nearest(word, names);
  return fail(ErrorCode::unknown_command, fmt::format("there is no command `{}`", printable(word, 60)),
              near.empty() ? "" : fmt::format("the nearest is `mrun {}`", near));
}

void apply_common_flags(Context& context, const Arguments& arguments) {
  context.json = arguments.has("json");
  context.stream = arguments.value("json") == "stream";
  context.github = arguments.has("github");
  context.quiet = arguments.has("quiet");
  context.verbose = arguments.has("verbose");
}

struct Elsewhere {
  RunElsewhere run;
  char** argv;
};

Result<int> run_command(Context& context, std::string_view name, std::span<const std::string_view> words,
                        const Elsewhere& elsewhere) {
  const CommandSpec* command = find_command(name);
  if (command == nullptr) return unknown_command(name);
  for (const std::string_view word : words)
    if (word == "--json" || word.starts_with("--json="))
      context.json = true; // so that an error of the parser is JSON as well
  MRUN_ASSIGN(const Arguments arguments, parse_arguments(*command, words));
  apply_common_flags(context, arguments);
  if (arguments.has("help")) {
    MRUN_TRY(context.terminal.out(render_help(context.terminal, *command)));
    return 0;
  }
  const bool needs_registry =
      command->needs_registry != nullptr && command->needs_registry(context, arguments);
  if (command->run == nullptr || needs_registry)
    return elsewhere.run(context, *command, arguments, elsewhere.argv);
  return command->run(context, arguments);
}

// Common flags may stand before the command: `mrun --json ls`.
Result<int> run_words(Context& context, std::vector<std::string_view> words, const Elsewhere& elsewhere) {
  if (!words.empty() && words[0] == "__complete") // not in the table: shells call it, nobody types it
    return run_complete(context, std::span(words).subspan(1));
  if (std::ranges::find(words, "--no-color") != words.end())
    context.terminal.disable_color(); // here, so that errors of the parser have none either
  std::size_t command_at = 0;
  while (command_at < words.size() && words[command_at].starts_with('-'))
    ++command_at;
  const std::span<const std::string_view> leading(words.data(), command_at);
  if (command_at < words.size()) {
    const std::string_view name = words[command_at];
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(command_at));
    return run_command(context, name, words, elsewhere);
  }
  for (const std::string_view flag : leading)
    if (flag == "--version" || flag == "-V") return run_command(context, "version", {}, elsewhere);
  const auto asks_for_help = [](std::string_view flag) { return flag == "--help" || flag == "-h"; };
  if (leading.empty() || std::ranges::any_of(leading, asks_for_help)) {
    MRUN_TRY(context.terminal.out(render_overview(context.terminal)));
    return 0;
  }
  return fail(ErrorCode::unknown_flag, fmt::format("`mrun` has no flag `{}`", printable(leading[0], 60)));
}

// No exception of a library gets past it.
int run_shielded(Context& context, int argc, char** argv, RunElsewhere run_elsewhere) {
  try {
    std::vector<std::string_view> words(argv + (argc > 0 ? 1 : 0), argv + argc);
    const Result<int> result = run_words(context, std::move(words), {run_elsewhere, argv});
    if (!result) return end_with(context, result.error());
    return *result;
  } catch (const std::exception& error) {
    return end_with(context, fail(ErrorCode::internal, fmt::format("unexpected: {}", error.what())).value());
  }
}

} // namespace

Result<int> become_helper(Context& context, const CommandSpec& command, const Arguments&, char** argv) {
  MRUN_ASSIGN(const InstallPaths install, context.install());
  const std::string program = install.helper(command.helper).string();
  ::execv(program.c_str(), argv);
  return fail_errno(ErrorCode::internal, errno,
                    fmt::format("can't run {} for `mrun {}`", program, command.name));
}

int run_program(int argc, char** argv, RunElsewhere run_elsewhere) {
  open_standard_files();
  std::signal(SIGPIPE, SIG_IGN);
  Terminal terminal(STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO);
  Context context{.terminal = terminal};
  const int exit_code = run_shielded(context, argc, argv, run_elsewhere);
  trace_exit(exit_code);
  return exit_code;
}

} // namespace mrun::cli
