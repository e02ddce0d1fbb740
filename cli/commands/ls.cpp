// mrun ls: the models of the store.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/predict/target.h"
#include "cli/render/age.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/clock.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "NAME", .required = false, .help = "only models whose name begins so"}};
constexpr FlagSpec k_flags[] = {k_plain_flag};
constexpr ExampleSpec k_examples[] = {
    {"ls", "every model here"}, {"ls demo/", "those of one owner"}, {"ls --json", "for programs"}};
constexpr int k_exit_codes[] = {6, 10};

Result<void> print_as_json(Context& context, const std::vector<TagEntry>& entries) {
  Json models = Json::array();
  for (const TagEntry& entry : entries)
    models.push_back({{"model", entry.model},
                      {"tag", entry.tag.empty() ? Json(nullptr) : Json(entry.tag)},
                      {"digest", entry.digest.text()},
                      {"version", entry.digest.hex()},
                      {"size_bytes", entry.size_bytes},
                      {"created_at", rfc3339_utc(entry.created_ns)}});
  return print_json(context.terminal, {{"schema", "mrun.ls/v1"}, {"models", std::move(models)}});
}

Table table_of(const std::vector<TagEntry>& entries) {
  Table table{.header = {"MODEL", "TAG", "VERSION", "SIZE", "PACKED"},
              .rows = {},
              .right_aligned = {3},
              .shortened = {0, 1}};
  for (const TagEntry& entry : entries)
    table.rows.push_back({entry.model,
                          entry.tag.empty() ? "<none>" : entry.tag,
                          {entry.digest.short_hex(), entry.digest.text()},
                          {format_bytes(entry.size_bytes), std::to_string(entry.size_bytes)},
                          {age_text(entry.created_ns), rfc3339_utc(entry.created_ns)}});
  return table;
}

Result<std::vector<TagEntry>> read_entries(const Context& context) {
  auto store = open_store_to_read(context);
  if (!store && store.error().code == ErrorCode::model_not_found) return std::vector<TagEntry>(); // none yet
  if (!store) return tl::unexpected<Error>(std::move(store).error());
  return store->list();
}

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const std::vector<TagEntry> all, read_entries(context));
  const std::string prefix = arguments.positional(0);
  std::vector<TagEntry> entries = shown_names(all);
  std::erase_if(entries, [&](const TagEntry& entry) { return !entry.model.starts_with(prefix); });
  if (context.json)
    MRUN_TRY(print_as_json(context, entries));
  else if (!entries.empty())
    MRUN_TRY(print_table(context.terminal, table_of(entries), arguments.has("plain")));
  else if (!prefix.empty())
    context.say(
        fmt::format("no model's name begins with `{}`; `mrun ls` lists them all", printable(prefix, 100)));
  else
    context.say("no models here; begin with `mrun init DIR --template text-embedding`, or `mrun pack DIR`");
  return 0;
}

} // namespace

extern const CommandSpec k_command_ls;
constinit const CommandSpec k_command_ls{
    .name = "ls",
    .group = CommandGroup::build,
    .summary = "list the models of the store",
    .description =
        "One line per tag, sorted by name. What was pulled by its digest alone has the tag `<none>`, until\n"
        "`mrun tag` gives it one. Reads the store's index only and never starts the daemon.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
