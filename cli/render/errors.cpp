#include "cli/render/errors.h"

#include <fmt/format.h>

#include "cli/render/github.h"
#include "cli/render/json_text.h"
#include "common/limits.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

// A message names what a stranger wrote (a path, a header, a program's words): whoever made it has escaped
// that, and what was missed ends here.
constexpr std::size_t k_max_shown_bytes = 4 * k_kib;

std::string shown(std::string_view text) {
  return printable(text, k_max_shown_bytes);
}

std::string shown_lines(std::string_view text) {
  std::string lines;
  for (const std::string_view line : split(text, '\n'))
    lines += fmt::format("{}{}", lines.empty() ? "" : "\n", shown(line));
  return lines;
}

} // namespace

std::string render_error(const Terminal& terminal, const Error& error) {
  const std::string head = fmt::format("error[{}]", error_code_text(error.code));
  std::string text = fmt::format("{}: {}\n", terminal.paint_err(Style::error, head), shown(error.message));
  for (const std::string& note : error.notes)
    text += fmt::format("{}: {}\n", terminal.paint_err(Style::note, "note"), shown_lines(note));
  if (!error.help().empty())
    text += fmt::format("{}: {}\n", terminal.paint_err(Style::help, "help"), shown_lines(error.help()));
  return text;
}

Json error_json(const Error& error, Json details) {
  if (!error.notes.empty()) details["notes"] = error.notes;
  const ErrorRow& row = error.row();
  return {{"error",
           {{"code", error_code_text(error.code)},
            {"class", std::string(row.name)},
            {"message", error.message},
            {"hint", std::string(error.help())},
            {"retryable", row.retryable},
            {"details", std::move(details)}}}};
}

int show_error(const Context& context, const Error& error, Json details) {
  context.terminal.err(context.json ? plain_json(error_json(error, std::move(details))) + "\n"
                                    : render_error(context.terminal, error));
  if (context.github) context.terminal.annotate(github_error("mrun", error));
  return error.row().exit_code;
}

} // namespace mrun::cli
