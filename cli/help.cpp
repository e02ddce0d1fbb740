#include "cli/help.h"

#include <algorithm>

#include <fmt/format.h>

namespace mrun::cli {
namespace {

struct GroupTitle {
  CommandGroup group;
  std::string_view title;
};
constexpr GroupTitle k_groups[] = {{CommandGroup::build, "Build"},
                                   {CommandGroup::run, "Run"},
                                   {CommandGroup::share, "Share"},
                                   {CommandGroup::manage, "Manage"},
                                   {CommandGroup::help, "Help"}};

std::string join_words(std::span<const std::string_view> words, std::string_view separator) {
  std::string text;
  for (const std::string_view word : words)
    text += fmt::format("{}{}", text.empty() ? "" : separator, word);
  return text;
}

std::string flag_left_side(const FlagSpec& flag) {
  const std::string dashes = flag.short_name != 0 ? fmt::format("-{}, --{}", flag.short_name, flag.name)
                                                  : fmt::format("    --{}", flag.name);
  return flag.value_name.empty() ? dashes : fmt::format("{} {}", dashes, flag.value_name);
}

void append_flags(std::string& text, std::span<const FlagSpec> flags) {
  std::size_t width = 0;
  for (const FlagSpec& flag : flags)
    width = std::max(width, flag_left_side(flag).size());
  for (const FlagSpec& flag : flags)
    text += fmt::format("  {:<{}}  {}\n", flag_left_side(flag), width, flag_help(flag));
}

void append_positionals(std::string& text, const CommandSpec& command) {
  std::size_t width = 0;
  for (const PositionalSpec& positional : command.positionals)
    width = std::max(width, positional.name.size());
  for (const PositionalSpec& positional : command.positionals)
    text += fmt::format("  {:<{}}  {}\n", positional.name, width, positional.help);
}

void append_exit_codes(std::string& text, const CommandSpec& command) {
  for (const ExitCodeRow& row : exit_code_rows())
    if (may_exit_with(command, row.code)) text += fmt::format("  {:<3}  {}\n", row.code, row.meaning);
}

Json words_json(std::span<const std::string_view> words) {
  Json list = Json::array();
  for (const std::string_view word : words)
    list.push_back(word);
  return list;
}

Json flags_json(std::span<const FlagSpec> flags) {
  Json list = Json::array();
  for (const FlagSpec& flag : flags)
    list.push_back({{"name", flag.name},
                    {"short", flag.short_name == 0 ? Json(nullptr) : Json(std::string(1, flag.short_name))},
                    {"value", flag.value_name.empty() ? Json(nullptr) : Json(flag.value_name)},
                    {"repeatable", flag.repeatable},
                    {"choices", words_json(flag.choices)},
                    {"default", flag.default_text.empty() ? Json(nullptr) : Json(flag.default_text)},
                    {"help", flag.help}});
  return list;
}

Json command_json(const CommandSpec& command) {
  Json positionals = Json::array(), examples = Json::array(), exit_codes = Json::array();
  for (const PositionalSpec& positional : command.positionals)
    positionals.push_back({{"name", positional.name},
                           {"required", positional.required},
                           {"repeatable", positional.repeatable},
                           {"choices", words_json(positional.choices)},
                           {"help", positional.help}});
  for (const ExampleSpec& example : command.examples)
    examples.push_back({{"command", fmt::format("mrun {}", example.command)}, {"says", example.says}});
  for (const ExitCodeRow& row : exit_code_rows())
    if (may_exit_with(command, row.code)) exit_codes.push_back(row.code);
  return {{"name", command.name},
          {"aliases", words_json(command.aliases)},
          {"summary", command.summary},
          {"description", command.description},
          {"positionals", std::move(positionals)},
          {"flags", flags_json(command.flags)},
          {"examples", std::move(examples)},
          {"streams", command.streams},
          {"exit_codes", std::move(exit_codes)}};
}

} // namespace

std::string flag_help(const FlagSpec& flag) {
  std::string text(flag.help);
  if (!flag.choices.empty()) text += fmt::format(" ({})", join_words(flag.choices, ", "));
  if (!flag.default_text.empty()) text += fmt::format(" [default: {}]", flag.default_text);
  if (flag.repeatable) text += " (may be repeated)";
  return text;
}

bool may_exit_with(const CommandSpec& command, int code) {
  return std::ranges::find(k_every_exit_code, code) != std::end(k_every_exit_code) ||
         std::ranges::find(command.exit_codes, code) != command.exit_codes.end();
}

std::string render_environment(const Terminal& terminal) {
  std::string text = terminal.paint_out(Style::bold, "Environment") + "\n";
  for (const EnvironmentRow& row : environment_rows())
    text += fmt::format("  {}\n      {}\n", row.name, row.says);
  return text;
}

std::string usage_line(const CommandSpec& command) {
  std::string text = fmt::format("mrun {}", command.name);
  for (const PositionalSpec& positional : command.positionals) {
    const std::string dots = positional.repeatable ? "…" : "";
    text += positional.required ? fmt::format(" {}{}", positional.name, dots)
                                : fmt::format(" [{}{}]", positional.name, dots);
  }
  return text + " [flags]";
}

std::string render_overview(const Terminal& terminal) {
  std::string text = "mrun packs, runs and serves AI models on this machine.\n\n";
  text += terminal.paint_out(Style::bold, "Start here") + "\n";
  text += "  mrun init embed --template text-embedding    write a model directory\n"
          "  (cd embed && python3 export.py)              make its model file (its README says what Python "
          "needs)\n"
          "  mrun pack embed                              make it a version in the store\n"
          "  mrun predict local/embed -i text=\"hello\"     run it\n";
  for (const GroupTitle& group : k_groups) {
    text += fmt::format("\n{}\n", terminal.paint_out(Style::bold, group.title));
    for (const CommandSpec* command : all_commands())
      if (command->group == group.group)
        text += fmt::format("  {:<11}  {}\n", command->name, command->summary);
  }
  text += "\n`mrun help COMMAND` has examples and every flag. `mrun explain CODE` explains an error.\n";
  return text;
}

std::string render_help(const Terminal& terminal, const CommandSpec& command) {
  const auto title = [&](std::string_view words) {
    return fmt::format("\n{}\n", terminal.paint_out(Style::bold, words));
  };
  std::string text = fmt::format("mrun {}: {}\n", command.name, command.summary);
  text += title("Examples");
  std::size_t width = 0;
  for (const ExampleSpec& example : command.examples)
    width = std::max(width, example.command.size());
  for (const ExampleSpec& example : command.examples)
    text += fmt::format("  mrun {:<{}}  {}\n", example.command, width, example.says);
  text += title("Usage") + fmt::format("  {}\n", usage_line(command));
  if (!command.aliases.empty())
    text += fmt::format("  also: mrun {}\n", join_words(command.aliases, ", mrun "));
  if (!command.positionals.empty()) text += "\n";
  append_positionals(text, command);
  if (!command.flags.empty()) {
    text += title("Flags");
    append_flags(text, command.flags);
  }
  text += title("Flags of every command");
  append_flags(text, k_common_flags);
  if (command.streams) text += fmt::format("      --json=stream  {}\n", k_stream_help);
  text += title("Exit codes");
  append_exit_codes(text, command);
  return text + fmt::format("\n{}\n", command.description);
}

Json help_json() {
  Json commands = Json::array(), exit_codes = Json::array(), environment = Json::array();
  for (const CommandSpec* command : all_commands())
    commands.push_back(command_json(*command));
  for (const ExitCodeRow& row : exit_code_rows())
    exit_codes.push_back({{"code", row.code}, {"meaning", row.meaning}});
  for (const EnvironmentRow& row : environment_rows())
    environment.push_back({{"name", row.name}, {"says", row.says}});
  return {{"schema", "mrun.help/v1"},
          {"commands", std::move(commands)},
          {"common_flags", flags_json(k_common_flags)},
          {"exit_codes", std::move(exit_codes)},
          {"environment", std::move(environment)}};
}

} // namespace mrun::cli
