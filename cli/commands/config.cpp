// mrun config list|get|set|unset|path: the configuration, without an editor.
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/client/daemon_description.h"
#include "cli/config_edit.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/replace_file.h"
#include "common/text.h"
#include "packager/config_file.h"

namespace mrun::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view k_actions[] = {"list", "get", "set", "unset", "path"};
constexpr PositionalSpec k_positionals[] = {
    {.name = "ACTION", .choices = k_actions, .help = "list, get, set, unset or path"},
    {.name = "KEY",
     .required = false,
     .choices = k_config_keys,
     .help = "a key of config.yaml; not with list and path"},
    {.name = "VALUE", .required = false, .help = "with set: as it stands behind `KEY:` in YAML"}};
constexpr FlagSpec k_flags[] = {
    {.name = "show-origin",
     .help = "list, get: where each value comes from: file and line, environment or default"},
    k_plain_flag};
constexpr ExampleSpec k_examples[] = {
    {"config list --show-origin", "every key, its value, and who says so"},
    {"config get memory_budget", "one of them"},
    {"config set idle_unload 10m", "checked as the daemon reads it, before it is kept"},
    {"config set listen tcp://127.0.0.1:8000", "from its next start on the daemon answers over TCP, too"},
    {"config unset idle_unload", "back to the default"},
    {"config path", "where config.yaml is"}};
constexpr int k_exit_codes[] = {6};

constexpr unsigned k_trial_mode = 0600;

std::string shown(const Json& value) {
  if (value.is_null()) return "";
  return printable(value.is_string() ? value.get<std::string>() : canonical_json(value), 2000);
}

Result<void> refuse_broken(const Json& description) {
  const Json& error = description["config"]["error"];
  if (!error.is_object()) return {};
  return fail(ErrorCode::config_invalid, error.value("message", ""), error.value("hint", ""));
}

Result<int> list(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const Json description, daemon_description(context));
  MRUN_TRY(refuse_broken(description));
  const Json& values = description["config"]["values"];
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.config/v1"},
                                           {"file", description["config"]["file"]},
                                           {"is_there", description["config"]["is_there"]},
                                           {"values", values}}));
    return 0;
  }
  Table table{.header = {"KEY", "VALUE"}, .rows = {}, .right_aligned = {}, .shortened = {1}};
  if (arguments.has("show-origin")) table.header.emplace_back("ORIGIN");
  for (const Json& row : values) {
    table.rows.push_back({shown(row["key"]), shown(row["value"])});
    if (arguments.has("show-origin")) table.rows.back().emplace_back(shown(row["origin"]));
  }
  MRUN_TRY(print_table(context.terminal, table, arguments.has("plain")));
  return 0;
}

Result<int> get(Context& context, const Arguments& arguments, const std::string& key) {
  MRUN_ASSIGN(const Json description, daemon_description(context));
  MRUN_TRY(refuse_broken(description));
  for (const Json& row : description["config"]["values"]) {
    if (row["key"] != key) continue;
    if (context.json) {
      Json one = row;
      one["schema"] = "mrun.config_value/v1";
      MRUN_TRY(print_json(context.terminal, one));
    } else {
      MRUN_TRY(context.terminal.out(shown(row["value"]) + "\n"));
      if (arguments.has("show-origin")) context.say(shown(row["origin"]));
    }
  }
  return 0;
}

// Checked by the daemon's own reader, beside the file, before it takes its place.
Result<void> keep(const Context& context, const HomePaths& home, const std::string& text) {
  std::error_code ignored;
  fs::create_directories(home.config_file.parent_path(), ignored);
  const fs::path trial = home.config_file.string() + fmt::format("{}{}", k_config_trial, ::getpid());
  MRUN_TRY(replace_file(trial, text, k_trial_mode, Durable::no, ErrorCode::io));
  const auto description = daemon_description(context, trial.string());
  fs::remove(trial, ignored);
  MRUN_TRY(description);
  if (Json error = (*description)["config"]["error"]; error.is_object()) {
    std::string message = error.value("message", "");
    const std::string name = trial.filename().string();
    if (message.starts_with(name))
      message = home.config_file.filename().string() + message.substr(name.size());
    return fail(ErrorCode::config_invalid, message, error.value("hint", ""));
  }
  return replace_kept_file(home.config_file, text, ErrorCode::io);
}

Result<int> change(Context& context, const std::string& key, const std::string& block) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_ASSIGN(const std::optional<std::string> before, read_config_file(home.config_file.string()));
  MRUN_TRY(keep(context, home, with_top_key(before.value_or(""), key, block)));
  if (context.json)
    MRUN_TRY(
        print_json(context.terminal,
                   {{"schema", "mrun.config_change/v1"}, {"key", key}, {"file", home.config_file.string()}}));
  else
    context.say(fmt::format("kept in {}; a running daemon reads it at its next start: mrun daemon stop",
                            printable(home.config_file.string())));
  return 0;
}

Result<int> path(Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  if (context.json)
    MRUN_TRY(print_json(context.terminal,
                        {{"schema", "mrun.config_path/v1"}, {"file", home.config_file.string()}}));
  else
    MRUN_TRY(context.terminal.out(printable(home.config_file.string(), 4096) + "\n"));
  return 0;
}

Result<int> run(Context& context, const Arguments& arguments) {
  const std::string action = arguments.positional(0), key = arguments.positional(1),
                    value = arguments.positional(2);
  const bool takes_key = action == "get" || action == "set" || action == "unset";
  if (takes_key == key.empty() || (action == "set") == value.empty())
    return fail(ErrorCode::usage,
                takes_key ? fmt::format("`mrun config {}` needs a key{}", action,
                                        action == "set" ? " and a value" : "")
                          : fmt::format("`mrun config {}` takes no key", action),
                "see `mrun config --help`");
  if (value.find('\n') != std::string::npos)
    return fail(ErrorCode::usage, "the value has several lines",
                "write it in braces, or edit the file: mrun config path");
  if (action == "list") return list(context, arguments);
  if (action == "get") return get(context, arguments, key);
  if (action == "set") return change(context, key, fmt::format("{}: {}\n", key, value));
  if (action == "unset") return change(context, key, "");
  return path(context);
}

} // namespace

extern const CommandSpec k_command_config;
constinit const CommandSpec k_command_config{
    .name = "config",
    .group = CommandGroup::manage,
    .summary = "show and change the configuration",
    .description =
        "Reads and writes config.yaml of the home; its other lines and comments stay. What is set is first\n"
        "read as the daemon would, and kept only if that works. Never starts the daemon. The keys:\n"
        "docs/formats/config.md.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
