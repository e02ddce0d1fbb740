// The one definition of the command line: parser, `--help`, the nearest-name hints, docs/cli.md, man pages
// and completions all come from these constants. A command file defines one CommandSpec and names it in CMake
// by `mrun_add_command(name)`; nothing registers itself at start, so a start costs nothing.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "common/error.h"

namespace mrun::cli {

class Arguments;
struct Context;

enum class FlagType { toggle, text, integer, duration, path };

struct FlagSpec {
  std::string_view name = {};       // without the dashes
  char short_name = 0;              // 0: none
  std::string_view value_name = {}; // as help shows it; "" for a toggle
  FlagType type = FlagType::toggle;
  bool repeatable = false;
  // Of a text flag; empty: any. One that ends in `:N` takes any whole number there.
  std::span<const std::string_view> choices = {};
  std::string_view default_text = {}; // shown by help; the command applies it
  // What a toggle takes behind `=`, in commands that have it (CommandSpec::streams).
  std::span<const std::string_view> forms = {};
  std::string_view help = {};
};

struct PositionalSpec {
  std::string_view name = {}; // as help shows it: REF, DIR
  bool required = true;
  bool repeatable = false; // only the last one
  std::span<const std::string_view> choices = {};
  std::string_view help = {};
};

struct ExampleSpec {
  std::string_view command = {}; // without `mrun `
  std::string_view says = {};
};

enum class CommandGroup { build, run, share, manage, help };

using CommandRun = Result<int> (*)(Context& context, const Arguments& arguments);

struct CommandSpec {
  std::string_view name = {};
  std::span<const std::string_view> aliases = {};
  CommandGroup group = CommandGroup::run;
  std::string_view summary = {};     // one line, lower case, no full stop
  std::string_view description = {}; // paragraphs, wrapped by hand at 100 columns
  std::span<const PositionalSpec> positionals = {};
  std::span<const FlagSpec> flags = {};
  std::span<const ExampleSpec> examples = {};
  bool streams = false;                 // takes `--json=stream`: an event a line (docs/formats/events.md)
  std::span<const int> exit_codes = {}; // besides those that every command has (k_every_exit_code)
  // Whether these words need a registry: then mrun-remote runs the command. nullptr: they never do.
  bool (*needs_registry)(const Context& context, const Arguments& arguments) = nullptr;
  // The exit code, or the error that the caller renders. nullptr: the command runs in `helper`.
  CommandRun run = nullptr;
  std::string_view helper = "mrun-remote"; // a program of libexec/mrun (cli/remote, cli/bench)
};

inline constexpr std::string_view k_json_forms[] = {"stream"};

// Flags that every command takes.
inline constexpr std::array k_common_flags = {
    FlagSpec{.name = "json",
             .forms = k_json_forms,
             .help = "print one JSON object; errors as JSON on standard error"},
    FlagSpec{.name = "quiet", .short_name = 'q', .help = "say nothing but errors and the result"},
    FlagSpec{.name = "verbose", .short_name = 'v', .help = "say more on standard error"},
    FlagSpec{.name = "no-color", .help = "no colours (as NO_COLOR)"},
    FlagSpec{.name = "help", .short_name = 'h', .help = "show this help"},
};

// How any command may end: done, a file operation or its output failed, used wrongly, the system out of
// something, Ctrl-C, SIGTERM.
inline constexpr int k_every_exit_code[] = {0, 1, 2, 75, 130, 143};

// Every command, in the order of the CMake lines.
std::span<const CommandSpec* const> all_commands();
// By name or alias; nullptr when there is none.
const CommandSpec* find_command(std::string_view word);

struct ExitCodeRow {
  int code;
  std::string_view meaning = {};
};
// The table of docs/exit-codes.md, ascending.
std::span<const ExitCodeRow> exit_code_rows();

struct EnvironmentRow {
  std::string_view name = {};
  std::string_view says = {};
};
// What mrun reads of the environment.
std::span<const EnvironmentRow> environment_rows();

} // namespace mrun::cli
