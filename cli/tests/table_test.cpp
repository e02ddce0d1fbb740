// Walks the flag table: what help, man pages and completions will be made from must be whole and consistent.
#include <algorithm>
#include <set>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/flags.h"
#include "cli/help.h"
#include "common/fd.h"
#include "common/limits.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

std::set<int> documented_codes() {
  std::set<int> codes;
  for (const ExitCodeRow& row : exit_code_rows())
    codes.insert(row.code);
  return codes;
}

// The words of an example, with quoted parts kept whole and redirections cut.
std::vector<std::string> example_words(std::string_view text) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '"')
      quoted = !quoted;
    else if (c == ' ' && !quoted)
      words.emplace_back();
    else
      words.back() += c;
  }
  const auto cut =
      std::ranges::find_if(words, [](const std::string& word) { return word == "<" || word == ">"; });
  words.erase(cut, words.end());
  return words;
}

// mrun-remote has the code of these.
bool runs_remotely(std::string_view name) {
  static constexpr std::string_view k_names[] = {
#define MRUN_REMOTE_COMMAND(word) #word,
#include "cli/remote_commands.inc"
#undef MRUN_REMOTE_COMMAND
  };
  return std::ranges::find(k_names, name) != std::end(k_names);
}

} // namespace

TEST_CASE("every command has a summary, a description, examples and documented exit codes") {
  const std::set<int> codes = documented_codes();
  for (const CommandSpec* command : all_commands()) {
    CAPTURE(command->name);
    CHECK_FALSE(command->summary.empty());
    CHECK_FALSE(command->summary.ends_with('.'));
    CHECK_FALSE(command->description.empty());
    CHECK_FALSE(command->examples.empty());
    const bool has_helper = runs_remotely(command->name) || command->helper != "mrun-remote";
    CHECK((command->run != nullptr || has_helper));
    CHECK_FALSE((command->run != nullptr && has_helper && command->needs_registry == nullptr)); // which?
    CHECK(std::ranges::is_sorted(command->exit_codes));
    for (const int code : command->exit_codes) {
      CHECK_MESSAGE(codes.contains(code), code);
      CHECK(std::ranges::find(k_every_exit_code, code) == std::end(k_every_exit_code)); // said once
    }
    for (const std::string_view line : split(command->description, '\n'))
      CHECK_MESSAGE(line.size() <= 115, line);
  }
}

TEST_CASE("names, aliases and flags are unique, and each flag has its help") {
  std::set<std::string_view> names;
  for (const CommandSpec* command : all_commands()) {
    CAPTURE(command->name);
    CHECK(names.insert(command->name).second);
    for (const std::string_view alias : command->aliases)
      CHECK(names.insert(alias).second);
    std::set<std::string_view> flags;
    std::set<char> letters;
    const auto look_at = [&](const FlagSpec& flag) {
      CAPTURE(flag.name);
      CHECK(flags.insert(flag.name).second);
      if (flag.short_name != 0) CHECK(letters.insert(flag.short_name).second);
      CHECK_FALSE(flag.help.empty());
      CHECK((flag.type == FlagType::toggle) == flag.value_name.empty());
    };
    std::ranges::for_each(command->flags, look_at);
    std::ranges::for_each(k_common_flags, look_at);
    for (const PositionalSpec& positional : command->positionals)
      CHECK_FALSE(positional.help.empty());
  }
}

TEST_CASE("every example parses as what it says") {
  for (const CommandSpec* command : all_commands())
    for (const ExampleSpec& example : command->examples) {
      CAPTURE(example.command);
      const std::vector<std::string> words = example_words(example.command);
      CHECK(find_command(words[0]) == command);
      const std::vector<std::string_view> rest(words.begin() + 1, words.end());
      CHECK(parse_arguments(*command, rest));
      CHECK_FALSE(example.says.empty());
    }
}

TEST_CASE("every exit code of the error table is a documented one") {
  const std::set<int> codes = documented_codes();
  for (const ErrorRow& row : error_rows())
    CHECK_MESSAGE(codes.contains(row.exit_code), row.name);
}

TEST_CASE("docs/exit-codes.md is the table") {
  const auto text = read_file(MRUN_SOURCE_DIR "/docs/exit-codes.md", k_mib, ErrorCode::io, ErrorCode::io);
  REQUIRE(text);
  std::size_t rows = 0;
  for (const ExitCodeRow& row : exit_code_rows())
    CHECK_MESSAGE(text->find(fmt::format("| {} | {} |\n", row.code, row.meaning)) != std::string::npos,
                  row.code);
  for (const std::string_view line : split(*text, '\n'))
    if (line.starts_with("| ") && !line.starts_with("| code")) ++rows;
  CHECK(rows == exit_code_rows().size());
}

TEST_CASE("aliases find their command") {
  CHECK(find_command("run") == find_command("predict"));
  CHECK(find_command("nothing") == nullptr);
}

} // namespace mrun::cli
