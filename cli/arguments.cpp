#include "cli/arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::cli {
namespace {

std::string help_command(const CommandSpec& command) {
  return fmt::format("see `mrun help {}`", command.name);
}

const FlagSpec* find_flag(const CommandSpec& command, std::string_view name) {
  for (const FlagSpec& flag : command.flags)
    if (flag.name == name) return &flag;
  for (const FlagSpec& flag : k_common_flags)
    if (flag.name == name) return &flag;
  return nullptr;
}

const FlagSpec* find_short_flag(const CommandSpec& command, char name) {
  for (const FlagSpec& flag : command.flags)
    if (flag.short_name == name) return &flag;
  for (const FlagSpec& flag : k_common_flags)
    if (flag.short_name == name) return &flag;
  return nullptr;
}

tl::unexpected<Error> unknown_flag(const CommandSpec& command, std::string_view name) {
  std::vector<std::string> names;
  for (const FlagSpec& flag : command.flags)
    names.emplace_back(flag.name);
  for (const FlagSpec& flag : k_common_flags)
    names.emplace_back(flag.name);
  const std::string near = nearest(name, names);
  return fail(ErrorCode::unknown_flag,
              fmt::format("`mrun {}` has no flag `--{}`", command.name, printable(name, 60)),
              near.empty() ? help_command(command) : fmt::format("the nearest is `--{}`", near));
}

std::string join_choices(std::span<const std::string_view> choices) {
  std::string text;
  for (const std::string_view choice : choices)
    text += fmt::format("{}`{}`", text.empty() ? "" : ", ", choice);
  return text;
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_choice(std::string_view value, std::string_view choice) {
  if (!choice.ends_with(":N")) return value == choice;
  choice.remove_suffix(1);
  return value.starts_with(choice) && is_digits(value.substr(choice.size()));
}

Result<void> check_choice(std::string_view what, std::string_view value,
                          std::span<const std::string_view> choices, ErrorCode code) {
  if (choices.empty()) return {};
  std::vector<std::string> names;
  for (const std::string_view choice : choices) {
    if (is_choice(value, choice)) return {};
    names.emplace_back(choice);
  }
  const std::string near = nearest(value, names);
  return fail(code, fmt::format("{} is `{}`, it takes {}", what, printable(value, 60), join_choices(choices)),
              near.empty() ? "" : fmt::format("the nearest is `{}`", near));
}

bool is_integer(std::string_view text) {
  long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

Result<void> check_value(const FlagSpec& flag, std::string_view value) {
  if (value.find('\0') != std::string_view::npos)
    return fail(ErrorCode::flag_value, fmt::format("the value of `--{}` has a NUL in it", flag.name));
  if (flag.type == FlagType::integer && !is_integer(value))
    return fail(ErrorCode::flag_value,
                fmt::format("`--{}` is `{}`, it takes a whole number", flag.name, printable(value, 60)));
  if (flag.type == FlagType::duration) MRUN_TRY(parse_duration(flag.name, value));
  if (flag.type == FlagType::path && value.empty())
    return fail(ErrorCode::flag_value, fmt::format("`--{}` is empty, it takes a path", flag.name));
  return check_choice(fmt::format("`--{}`", flag.name), value, flag.choices, ErrorCode::flag_value);
}

} // namespace

class ArgumentParser {
 public:
  ArgumentParser(const CommandSpec& command, std::span<const std::string_view> words)
      : m_command(command),
        m_words(words) {}

  Result<Arguments> parse() {
    bool flags_ended = false;
    while (m_next < m_words.size()) {
      const std::string_view word = m_words[m_next++];
      if (flags_ended || word.size() < 2 || word[0] != '-' || is_integer(word))
        m_result.m_positionals.emplace_back(word);
      else if (word == "--")
        flags_ended = true;
      else if (word[1] == '-')
        MRUN_TRY(long_flag(word.substr(2)));
      else
        MRUN_TRY(short_flags(word.substr(1)));
    }
    if (!m_result.has("help")) MRUN_TRY(check_positionals());
    return std::move(m_result);
  }

 private:
  Result<void> long_flag(std::string_view text) {
    const std::size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    const FlagSpec* flag = find_flag(m_command, name);
    if (flag == nullptr) return unknown_flag(m_command, name);
    if (equals != std::string_view::npos) return take(*flag, text.substr(equals + 1));
    return take(*flag, std::nullopt);
  }

  Result<void> short_flags(std::string_view letters) {
    while (!letters.empty()) {
      const FlagSpec* flag = find_short_flag(m_command, letters[0]);
      if (flag == nullptr)
        return fail(
            ErrorCode::unknown_flag,
            fmt::format("`mrun {}` has no flag `-{}`", m_command.name, printable(letters.substr(0, 1))),
            help_command(m_command));
      letters.remove_prefix(1);
      if (flag->type == FlagType::toggle) {
        MRUN_TRY(take(*flag, std::nullopt));
        continue;
      }
      if (letters.empty()) return take(*flag, std::nullopt);
      return take(*flag, letters);
    }
    return {};
  }

  // `value`: what was attached to the flag by `=` or directly.
  Result<void> take(const FlagSpec& flag, std::optional<std::string_view> value) {
    auto& values = m_result.m_flags[std::string(flag.name)];
    if (flag.type == FlagType::toggle) {
      if (!value) return {};
      if (!m_command.streams || std::ranges::find(flag.forms, *value) == flag.forms.end())
        return fail(ErrorCode::flag_value, refused_form(flag), help_command(m_command));
      values.assign(1, std::string(*value));
      return {};
    }
    if (!value) {
      if (m_next == m_words.size())
        return fail(ErrorCode::flag_value,
                    fmt::format("`--{}` needs a value: {}", flag.name, flag.value_name),
                    help_command(m_command));
      value = m_words[m_next++];
    }
    MRUN_TRY(check_value(flag, *value));
    if (!flag.repeatable && !values.empty())
      return fail(ErrorCode::usage, fmt::format("`--{}` is given twice", flag.name), help_command(m_command));
    values.emplace_back(*value);
    return {};
  }

  std::string refused_form(const FlagSpec& flag) const {
    if (flag.forms.empty() || !m_command.streams)
      return fmt::format("`--{}` takes no value{}", flag.name,
                         flag.forms.empty() ? "" : fmt::format(" in `mrun {}`", m_command.name));
    return fmt::format("`--{}=` takes {}", flag.name, join_choices(flag.forms));
  }

  Result<void> check_positionals() const {
    const auto& given = m_result.m_positionals;
    const auto& wanted = m_command.positionals;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (i >= given.size()) {
        if (!wanted[i].required) break;
        return fail(ErrorCode::usage, fmt::format("`mrun {}` needs {}", m_command.name, wanted[i].name),
                    example_hint());
      }
      MRUN_TRY(
          check_choice(fmt::format("{}", wanted[i].name), given[i], wanted[i].choices, ErrorCode::usage));
    }
    const bool endless = !wanted.empty() && wanted.back().repeatable;
    if (given.size() > wanted.size() && !endless)
      return fail(ErrorCode::usage,
                  fmt::format("`mrun {}` does not know what to do with `{}`", m_command.name,
                              printable(given[wanted.size()], 60)),
                  example_hint());
    return {};
  }

  std::string example_hint() const {
    if (m_command.examples.empty()) return help_command(m_command);
    return fmt::format("for example `mrun {}`", m_command.examples[0].command);
  }

  const CommandSpec& m_command;
  std::span<const std::string_view> m_words;
  std::size_t m_next = 0;
  Arguments m_result;
};

Result<Arguments> parse_arguments(const CommandSpec& command, std::span<const std::string_view> words) {
  return ArgumentParser(command, words).parse();
}

Result<std::chrono::nanoseconds> parse_duration(std::string_view flag, std::string_view text) {
  const auto refuse = [&] {
    return fail(ErrorCode::flag_value,
                fmt::format("`--{}` is `{}`, it takes a duration", flag, printable(text, 60)),
                "write it as 500ms, 30s, 2m or 1h");
  };
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return refuse();
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  double seconds = 0;
  if (unit.empty() || unit == "s")
    seconds = number;
  else if (unit == "ms")
    seconds = number / 1000;
  else if (unit == "m")
    seconds = number * 60;
  else if (unit == "h")
    seconds = number * 3600;
  else
    return refuse();
  if (seconds > 36'000'000) return refuse();
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

std::optional<std::string> Arguments::value(std::string_view flag) const {
  const auto found = m_flags.find(flag);
  if (found == m_flags.end() || found->second.empty()) return std::nullopt;
  return found->second.back();
}

std::vector<std::string> Arguments::values(std::string_view flag) const {
  const auto found = m_flags.find(flag);
  return found == m_flags.end() ? std::vector<std::string>() : found->second;
}

std::optional<long long> Arguments::integer(std::string_view flag) const {
  const auto text = value(flag);
  if (!text) return std::nullopt;
  long long number = 0;
  std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

std::optional<std::chrono::nanoseconds> Arguments::duration(std::string_view flag) const {
  const auto text = value(flag);
  if (!text) return std::nullopt;
  const auto parsed = parse_duration(flag, *text);
  return parsed ? std::optional(*parsed) : std::nullopt;
}

std::string Arguments::positional(std::size_t index) const {
  return index < m_positionals.size() ? m_positionals[index] : std::string();
}

} // namespace mrun::cli
