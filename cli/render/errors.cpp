#include "cli/render/errors.h"

#include <fmt/format.h>

namespace mrun::cli {

std::string render_error(const Terminal& terminal, const Error& error) {
  const std::string head = fmt::format("error[{}]", error_code_text(error.code));
  std::string text = fmt::format("{}: {}\n", terminal.paint_err(Style::error, head), error.message);
  for (const std::string& note : error.notes)
    text += fmt::format("{}: {}\n", terminal.paint_err(Style::note, "note"), note);
  if (!error.help().empty())
    text += fmt::format("{}: {}\n", terminal.paint_err(Style::help, "help"), error.help());
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

} // namespace mrun::cli
