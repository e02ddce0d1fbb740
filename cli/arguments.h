// A command line, taken apart by the command's own flag table.
//
// Flags stand in any place; `--` ends them; `--flag value`, `--flag=value`, `-f value`, `-fvalue`, and
// toggles may share a dash (`-qf`). A negative number or a lone `-` is a positional.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/flags.h"

namespace mrun::cli {

class Arguments {
 public:
  bool has(std::string_view flag) const { return m_flags.contains(flag); }
  // The last value given; nullopt when the flag wasn't.
  std::optional<std::string> value(std::string_view flag) const;
  std::vector<std::string> values(std::string_view flag) const;
  // The value of an integer flag, checked by the parser.
  std::optional<long long> integer(std::string_view flag) const;
  // The value of a duration flag: "1.5s", "200ms", "2m", "1h"; a bare number is seconds.
  std::optional<std::chrono::nanoseconds> duration(std::string_view flag) const;
  const std::vector<std::string>& positionals() const { return m_positionals; }
  // The n-th positional, or "".
  std::string positional(std::size_t index) const;

 private:
  friend class ArgumentParser;
  std::map<std::string, std::vector<std::string>, std::less<>> m_flags; // toggles have an empty list
  std::vector<std::string> m_positionals;
};

// `words`: what follows the command's name. With `--help` among them, missing positionals are no error.
// Errors: unknown_flag (nearest in the hint), flag_value, usage.
Result<Arguments> parse_arguments(const CommandSpec& command, std::span<const std::string_view> words);

// Error flag_value. More than 10,000 hours is refused.
Result<std::chrono::nanoseconds> parse_duration(std::string_view flag, std::string_view text);

} // namespace mrun::cli
