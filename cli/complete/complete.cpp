#include "cli/complete/complete.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "cli/complete/typed_line.h"
#include "cli/complete/values.h"
#include "cli/flags.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_description_bytes = 500;

// The words of a command, as far as they are there.
struct Partial {
  const CommandSpec& command;
  std::vector<std::string> positionals = {};
  std::set<std::string_view> used = {};
  std::vector<std::string> inputs = {}; // of --input
  const FlagSpec* waiting = nullptr;    // its value is at the cursor
  bool flags_ended = false;
};

const FlagSpec* find_flag(const CommandSpec& command, std::string_view name, char short_name) {
  const auto same = [&](const FlagSpec& flag) {
    return name.empty() ? short_name != 0 && flag.short_name == short_name : flag.name == name;
  };
  if (const auto own = std::ranges::find_if(command.flags, same); own != command.flags.end()) return &*own;
  const auto common = std::ranges::find_if(k_common_flags, same);
  return common != k_common_flags.end() ? &*common : nullptr;
}

void take_flag(Partial& partial, std::string_view word) {
  const std::size_t equals = word.find('=');
  const bool is_long = word.starts_with("--");
  const FlagSpec* flag = is_long ? find_flag(partial.command, word.substr(2, equals - 2), 0)
                                 : find_flag(partial.command, "", word[1]);
  if (flag == nullptr) return;
  partial.used.insert(flag->name);
  if (flag->type == FlagType::toggle) return;
  const bool attached = is_long ? equals != std::string_view::npos : word.size() > 2;
  if (!attached) partial.waiting = flag;
  if (attached && flag->name == "input") partial.inputs.emplace_back(word.substr(is_long ? equals + 1 : 2));
}

Partial read_words(const CommandSpec& command, std::span<const std::string> words) {
  Partial partial{command};
  for (const std::string& word : words) {
    if (partial.waiting != nullptr) {
      if (partial.waiting->name == "input") partial.inputs.push_back(word);
      partial.waiting = nullptr;
    } else if (partial.flags_ended || word.size() < 2 || word[0] != '-') {
      partial.positionals.push_back(word);
    } else if (word == "--") {
      partial.flags_ended = true;
    } else {
      take_flag(partial, word);
    }
  }
  return partial;
}

Candidates complete_choice(std::span<const std::string_view> choices, std::string_view typed) {
  Candidates all;
  for (const std::string_view choice : choices)
    if (!choice.ends_with(":N")) add_if_fits(all, typed, {std::string(choice)});
  return all;
}

Candidates complete_command(std::string_view typed) {
  Candidates all;
  for (const CommandSpec* command : all_commands()) {
    add_if_fits(all, typed, {std::string(command->name), std::string(command->summary)});
    for (const std::string_view alias : command->aliases)
      add_if_fits(all, typed, {std::string(alias), fmt::format("as {}", command->name)});
  }
  return all;
}

Candidates complete_code(std::string_view typed) {
  Candidates all;
  for (const ErrorRow& row : error_rows())
    add_if_fits(all, typed, {error_code_text(row.code), std::string(row.title)});
  return all;
}

// By the word that help shows for it: `REF`, `DIR`, `FILE|DIR|-`, …
Candidates complete_kind(const Context& context, std::string_view name, std::string_view typed) {
  Candidates all;
  const auto add = [&](Candidates more) { std::ranges::move(more, std::back_inserter(all)); };
  std::set<std::string_view> kinds;
  for (const std::string_view kind : split(name, '|'))
    kinds.insert(kind);
  const bool as_path =
      kinds.contains("FILE") || kinds.contains("PATH") || kinds.contains("KEY") || kinds.contains("PUB");
  if (kinds.contains("REF") || kinds.contains("A") || kinds.contains("B"))
    add(complete_model(context, typed));
  if (kinds.contains("REMOTE")) add(complete_remote(context, typed));
  if (kinds.contains("COMMAND")) add(complete_command(typed));
  if (kinds.contains("CODE")) add(complete_code(typed));
  // Beside models a folder begins with `.`, `/` or `~`, as everywhere.
  const bool may_be_folder = kinds.size() == 1 || typed.find_first_of("./~") == 0;
  if (as_path)
    add(complete_path("", typed, FileKind::any));
  else if (kinds.contains("DIR") && may_be_folder)
    add(complete_path("", typed, FileKind::folders));
  return all;
}

Candidates complete_value(const Context& context, const Partial& partial, const FlagSpec& flag,
                          std::string_view typed) {
  if (!flag.choices.empty()) return complete_choice(flag.choices, typed);
  if (flag.name == "input" && !partial.positionals.empty())
    return complete_input(context, partial.positionals[0], partial.inputs, typed);
  if (flag.type == FlagType::path) return complete_path("", typed, FileKind::any);
  return complete_kind(context, flag.value_name, typed);
}

Candidates complete_flag(const Context& context, const Partial& partial, std::string_view typed) {
  if (const std::size_t equals = typed.find('=');
      typed.starts_with("--") && equals != std::string_view::npos) {
    const FlagSpec* flag = find_flag(partial.command, typed.substr(2, equals - 2), 0);
    if (flag == nullptr) return {};
    const bool is_toggle = flag->type == FlagType::toggle;
    Candidates values;
    if (!is_toggle)
      values = complete_value(context, partial, *flag, typed.substr(equals + 1));
    else if (partial.command.streams)
      values = complete_choice(flag->forms, typed.substr(equals + 1));
    for (Candidate& value : values)
      value.text.insert(0, typed.substr(0, equals + 1));
    return values;
  }
  Candidates all;
  const auto add = [&](const FlagSpec& flag) {
    if (flag.repeatable || !partial.used.contains(flag.name))
      add_if_fits(all, typed, {fmt::format("--{}", flag.name), std::string(flag.help)});
  };
  std::ranges::for_each(partial.command.flags, add);
  std::ranges::for_each(k_common_flags, add);
  return all;
}

Candidates complete_arguments(const Context& context, const Partial& partial, std::string_view typed) {
  if (partial.waiting != nullptr) return complete_value(context, partial, *partial.waiting, typed);
  if (typed.starts_with('-') && !partial.flags_ended) return complete_flag(context, partial, typed);
  const auto& wanted = partial.command.positionals;
  if (wanted.empty()) return {};
  const std::size_t at = partial.positionals.size();
  if (at >= wanted.size() && !wanted.back().repeatable) return {};
  const PositionalSpec& positional = wanted[std::min(at, wanted.size() - 1)];
  if (!positional.choices.empty()) return complete_choice(positional.choices, typed);
  return complete_kind(context, positional.name, typed);
}

Candidates complete_common_flag(std::string_view typed) {
  Candidates all;
  for (const FlagSpec& flag : k_common_flags)
    add_if_fits(all, typed, {fmt::format("--{}", flag.name), std::string(flag.help)});
  add_if_fits(all, typed, {"--version", "show version and build"});
  return all;
}

// Shells take candidates a line each, and no terminal is to act on one: names of files and choices of models
// may be anybody's.
bool is_plain(std::string_view text) {
  std::size_t at = 0;
  return std::ranges::none_of(text, [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_c1 = at > 0 && text[at - 1] == '\xC2' && byte >= 0x80 && byte < 0xA0; // U+0080–U+009F
    ++at;
    return byte < 0x20 || byte == 0x7F || is_c1;
  });
}

// A description is one line without tabs.
std::string one_line(std::string_view text) {
  std::string line(text);
  std::ranges::replace_if(line, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return printable(line, k_max_description_bytes);
}

// How much of the word stays when bash puts a completion in: all up to a break, but `@` and `$`, which
// readline keeps with what follows (rl_special_prefixes). Of an open quote it replaces what follows that.
std::size_t kept_by_bash(const TypedLine& typed, std::string_view breaks) {
  if (typed.quote != 0) return typed.quoted_from;
  for (std::size_t at = typed.raw.size(); at > 0; --at) {
    const char c = typed.raw[at - 1];
    if (!typed.is_bare[at - 1] || breaks.find(c) == std::string_view::npos) continue;
    return c == '@' || c == '$' ? at - 1 : at;
  }
  return 0;
}

std::string lines_for_bash(const Context& context, std::string_view breaks, std::string_view line) {
  const TypedLine typed = take_apart(line);
  if (typed.words.empty()) return {};
  const std::size_t kept = kept_by_bash(typed, breaks);
  const std::string_view before = kept < typed.raw.size()
                                      ? std::string_view(typed.typed).substr(0, typed.typed_before[kept])
                                      : std::string_view(typed.typed);
  // `~/` as it was typed means a home folder; in a file's or a choice's name it means nothing.
  const bool has_tilde = typed.raw.substr(kept).starts_with("~/") && typed.is_bare[kept];
  std::string out;
  for (const Candidate& candidate : complete(context, std::span(typed.words).subspan(1), typed.typed)) {
    if (!is_plain(candidate.text) || !candidate.text.starts_with(before)) continue;
    std::string text = escape_for_bash(candidate.text.substr(before.size()), typed.quote);
    // readline closes the quote where the text does not end with one, whatever that is one of.
    if (typed.quote != 0 && candidate.ends_the_word && text.ends_with(typed.quote)) text += typed.quote;
    if (has_tilde && text.starts_with("\\~/")) text.erase(0, 1);
    out += text + (candidate.ends_the_word && typed.quote == 0 ? " \n" : "\n");
  }
  return out;
}

} // namespace

Candidates complete(const Context& context, std::span<const std::string> words, std::string_view typed) {
  std::size_t at = 0; // common flags may stand before the command
  while (at < words.size() && words[at].starts_with('-'))
    ++at;
  if (at == words.size())
    return typed.starts_with('-') ? complete_common_flag(typed) : complete_command(typed);
  const CommandSpec* command = find_command(words[at]);
  if (command == nullptr) return {};
  return complete_arguments(context, read_words(*command, words.subspan(at + 1)), typed);
}

Result<int> run_complete(Context& context, std::span<const std::string_view> arguments) {
  const std::string_view shell = arguments.empty() ? "" : arguments[0];
  if (shell == "bash" && arguments.size() == 3) {
    MRUN_TRY(context.terminal.out(lines_for_bash(context, arguments[1], arguments[2])));
    return 0;
  }
  if ((shell != "zsh" && shell != "fish") || arguments.size() < 2)
    return fail(ErrorCode::usage, "completion is called by the scripts of `mrun completion`");
  const std::vector<std::string> words(arguments.begin() + 1, arguments.end() - 1);
  std::string out;
  for (const Candidate& candidate : complete(context, words, arguments.back())) {
    if (!is_plain(candidate.text)) continue;
    out += fmt::format("{}\t{}", candidate.text, one_line(candidate.says));
    if (shell == "zsh") out += candidate.ends_the_word ? "\t1" : "\t0";
    out += '\n';
  }
  MRUN_TRY(context.terminal.out(out));
  return 0;
}

} // namespace mrun::cli
