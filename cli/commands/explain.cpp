// mrun explain CODE: what an error means.
#include <algorithm>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/render/json_text.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "CODE",
     .required = false,
     .help = "an error code or its name, or `exit-codes`; without: a list of all"}};
constexpr ExampleSpec k_examples[] = {{"explain M1203", "one error"},
                                      {"explain exit-codes", "what exit codes mean"},
                                      {"explain", "every error code"}};

Json row_json(const ErrorRow& row) {
  return {{"code", error_code_text(row.code)}, {"class", std::string(row.name)},
          {"title", std::string(row.title)},   {"explanation", std::string(row.explanation)},
          {"hint", std::string(row.help)},     {"exit_code", row.exit_code},
          {"http_status", row.http_status},    {"retryable", row.retryable}};
}

std::string row_text(const Terminal& terminal, const ErrorRow& row) {
  std::string text = fmt::format("{}: {}\n\n{}\n", terminal.paint_out(Style::bold, error_code_text(row.code)),
                                 row.title, row.explanation);
  if (!row.help.empty()) text += fmt::format("\nhelp: {}\n", row.help);
  text += fmt::format("\nname {}, exit code {}, HTTP status {}, {}\n", row.name, row.exit_code,
                      row.http_status, row.retryable ? "repeating may help" : "repeating does not help");
  return text;
}

Result<int> list_codes(Context& context) {
  if (context.json) {
    Json rows = Json::array();
    for (const ErrorRow& row : error_rows())
      rows.push_back(row_json(row));
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.explain/v1"}, {"errors", std::move(rows)}}));
    return 0;
  }
  std::string text;
  for (const ErrorRow& row : error_rows())
    text += fmt::format("{}  {}\n", error_code_text(row.code), row.title);
  MRUN_TRY(context.terminal.out(text));
  return 0;
}

Result<int> list_exit_codes(Context& context) {
  std::string text;
  Json rows = Json::array();
  for (const ExitCodeRow& row : exit_code_rows()) {
    text += fmt::format("{:>3}  {}\n", row.code, row.meaning);
    rows.push_back({{"code", row.code}, {"meaning", std::string(row.meaning)}});
  }
  if (context.json)
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.explain/v1"}, {"exit_codes", std::move(rows)}}));
  else
    MRUN_TRY(context.terminal.out(text));
  return 0;
}

Result<int> run(Context& context, const Arguments& arguments) {
  const std::string code = arguments.positional(0);
  if (code.empty()) return list_codes(context);
  if (code == "exit-codes") return list_exit_codes(context);
  const ErrorRow* row = find_error_row(code);
  if (row == nullptr)
    return fail(ErrorCode::usage, fmt::format("there is no error code `{}`", printable(code, 40)),
                "`mrun explain` lists all of them");
  if (context.json) {
    Json json = row_json(*row);
    json["schema"] = "mrun.explain/v1";
    MRUN_TRY(print_json(context.terminal, json));
  } else {
    MRUN_TRY(context.terminal.out(row_text(context.terminal, *row)));
  }
  return 0;
}

} // namespace

extern const CommandSpec k_command_explain;
constinit const CommandSpec k_command_explain{
    .name = "explain",
    .group = CommandGroup::help,
    .summary = "explain an error code",
    .description =
        "Every error that mrun shows has a code. Codes and their names never change their meaning.",
    .positionals = k_positionals,
    .examples = k_examples,
    .run = run,
};

} // namespace mrun::cli
