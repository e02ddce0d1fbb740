#include "packager/yaml_syntax.h"

#include <fmt/format.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>

#include "common/limits.h"
#include "common/text.h"

namespace mrun {
namespace {

// What follows a tag: spaces, line ends and comments are left out.
std::size_t skip_tag(std::string_view text, std::size_t at) {
  at = text.find_first_of(" \t\r\n\"'", at);
  while (at < text.size() && std::string_view(" \t\r\n#").find(text[at]) != std::string_view::npos)
    at = text[at] == '#' ? text.find('\n', at) : at + 1;
  return at;
}

// The first tab in the indentation of a line.
std::optional<YamlPlace> find_tab(std::string_view text, int line) {
  const std::vector<std::string_view> lines = split(text, '\n');
  const std::size_t index = static_cast<std::size_t>(line) - 1;
  if (index >= lines.size()) return std::nullopt; // past the last line's end
  const std::size_t column = lines[index].find_first_not_of(' ');
  if (column == std::string_view::npos || lines[index][column] != '\t') return std::nullopt;
  return YamlPlace{line, static_cast<int>(column) + 1};
}

} // namespace

YamlPlace place_of(const YAML::Mark& mark) {
  return {mark.line + 1, mark.column + 1};
}

YamlPlace place_of_byte(std::string_view text, std::size_t offset) {
  YamlPlace place;
  for (std::size_t i = 0; i < offset; ++i) {
    place.column = text[i] == '\n' ? 1 : place.column + 1;
    place.line += text[i] == '\n' ? 1 : 0;
  }
  return place;
}

Result<void> check_yaml_characters(std::string_view text, std::string_view file_name, YamlErrors errors) {
  if (text.size() > k_max_manifest_bytes)
    return fail_at(file_name, {}, errors.limit,
                   fmt::format("it has {} bytes, at most {} are allowed", text.size(), k_max_manifest_bytes));
  std::size_t line_start = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const bool at_end = i == text.size();
    const auto c = at_end ? '\n' : text[i];
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r')
      return fail_at(file_name, place_of_byte(text, i), errors.syntax,
                     fmt::format("there is a control character \\x{:02x}", c));
    if (c != '\n') continue;
    if (!is_valid_utf8(text.substr(line_start, i - line_start)))
      return fail_at(file_name, place_of_byte(text, line_start), errors.syntax,
                     "the line is not valid UTF-8");
    line_start = i + 1;
  }
  return {};
}

std::size_t find_open_quote(std::string_view text, std::size_t at) {
  constexpr std::size_t closed = std::string_view::npos;
  if (at < text.size() && text[at] == '!') at = skip_tag(text, at);
  if (at >= text.size() || (text[at] != '"' && text[at] != '\'')) return closed;
  const char quote = text[at];
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    const bool doubled = quote == '\'' && text.substr(i, 2) == "''";
    if (doubled || (quote == '"' && text[i] == '\\'))
      ++i;
    else if (text[i] == quote)
      return closed;
  }
  return at;
}

tl::unexpected<Error> yaml_syntax_error(const YAML::Exception& exception, std::string_view text,
                                        std::optional<YamlPlace> open, std::string_view file_name,
                                        ErrorCode code) {
  namespace msg = YAML::ErrorMsg;
  const std::string& said = exception.msg;
  if (exception.mark.is_null()) return fail_at(file_name, {}, code, printable(said, 200));
  const YamlPlace place = place_of(exception.mark);
  const bool in_map = said == msg::END_OF_MAP || said == msg::END_OF_MAP_FLOW;
  const bool in_flow = said == msg::END_OF_MAP_FLOW || said == msg::END_OF_SEQ_FLOW;
  const bool not_ended = in_flow || said == msg::END_OF_MAP || said == msg::END_OF_SEQ;
  if (not_ended)
    if (const std::size_t quote = find_open_quote(text, static_cast<std::size_t>(exception.mark.pos));
        quote != std::string_view::npos)
      return fail_at(file_name, place_of_byte(text, quote), code, k_open_quote);
  if (in_flow)
    return fail_at(file_name, open.value_or(place), code,
                   fmt::format("the `{}` that begins here is not closed before line {}, column {}",
                               in_map ? '{' : '[', place.line, place.column),
                   fmt::format("add a `{}`, or the `,` between two entries", in_map ? '}' : ']'));
  if (not_ended || said == msg::MAP_VALUE || said == msg::TAB_IN_INDENTATION)
    if (const std::optional<YamlPlace> tab = find_tab(text, place.line))
      return fail_at(file_name, *tab, code, "the line is indented with a tab", "indent with spaces");
  if (not_ended)
    return fail_at(
        file_name, place, code,
        fmt::format("what begins here does not continue the {} above", in_map ? "mapping" : "list"),
        fmt::format("indent {} alike, and check the quotes before it",
                    in_map ? "the keys of one mapping" : "the dashes of one list"));
  if (said == msg::MAP_VALUE)
    return fail_at(file_name, place, code, "a `:` can't be here",
                   "indent the keys of one mapping alike, and write a text that has `: ` in quotes");
  return fail_at(file_name, place, code, printable(said, 200));
}

} // namespace mrun
