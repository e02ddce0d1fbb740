// mrun rm REF…: removes names; `mrun gc` frees the disk.
#include <algorithm>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/confirm.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/predict/target.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"
#include "packager/remote_name.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "REF", .repeatable = true, .help = "a model by name and tag, or a version by digest"}};
constexpr FlagSpec k_flags[] = {
    k_yes_flag,
    k_dry_run_flag,
    {.name = "force", .short_name = 'f', .help = "with a digest: remove all of its names"}};
constexpr ExampleSpec k_examples[] = {{"rm demo/minilm:old", "shows what goes, and asks"},
                                      {"rm -y demo/minilm:old", "in a script"}};
constexpr int k_exit_codes[] = {5, 6, 10};

std::string names_text(const std::vector<TagEntry>& entries) {
  std::string names;
  for (const TagEntry& entry : entries)
    names += fmt::format("{}`{}`", names.empty() ? "" : ", ", entry.name());
  return names;
}

// By name: that tag. By digest: its only name, or all of them with --force; of the model that stands before
// the digest, if one does.
Result<std::vector<TagEntry>> names_of(const Store& store, const std::vector<TagEntry>& entries,
                                       const std::string& text, bool force) {
  MRUN_ASSIGN(const Reference reference, Reference::parse(text));
  MRUN_ASSIGN(const Digest digest, find_version(store, reference));
  const bool by_digest = reference.digest || !reference.digest_prefix.empty();
  if (const TagEntry* tag = by_digest ? nullptr : find_tag(entries, reference))
    return std::vector<TagEntry>{*tag};
  std::vector<TagEntry> all, found;
  for (const TagEntry& entry : entries) {
    if (entry.digest != digest) continue;
    all.push_back(entry);
    if (!reference.has_name() || is_named_by(entry, reference)) found.push_back(entry);
  }
  if (all.empty())
    return fail(ErrorCode::model_not_found, fmt::format("{} has no name", digest.text()),
                "it is removed by `mrun gc` when its lease ends");
  if (found.empty())
    return fail(ErrorCode::model_not_found,
                fmt::format("{} has no version {}", reference.model(), digest.short_hex()),
                fmt::format("what names it: {}", names_text(all)));
  if (found.size() > 1 && !force)
    return fail(ErrorCode::version_in_use,
                fmt::format("{} tags name {}: {}", found.size(), digest.short_hex(), names_text(found)),
                "name one of them, or add -f to remove all");
  return found;
}

std::string plan_text(const std::vector<TagEntry>& doomed, const std::vector<TagEntry>& entries) {
  std::string text;
  for (const TagEntry& entry : doomed) {
    const auto names_it = [&](const TagEntry& other) { return other.digest == entry.digest; };
    const auto all = std::ranges::count_if(entries, names_it);
    const auto going = std::ranges::count_if(doomed, names_it);
    text += fmt::format(
        "remove {} ({}, {}): {}\n", entry.name(), entry.digest.short_hex(), format_bytes(entry.size_bytes),
        all > going ? fmt::format("{} keep{} its files",
                                  count_words(static_cast<std::size_t>(all - going), "other name"),
                                  all - going == 1 ? "s" : "")
                    : std::string("`mrun gc` frees what nothing else uses"));
  }
  return text;
}

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_TRY(open_store_to_read(context)); // an absent store stays absent
  MRUN_ASSIGN(Store store, open_store_to_write(context));
  MRUN_ASSIGN(const std::vector<TagEntry> all, store.list());
  const std::vector<TagEntry> entries = shown_names(all);
  std::vector<TagEntry> doomed;
  for (const std::string& text : arguments.positionals()) {
    MRUN_ASSIGN(const std::vector<TagEntry> found, names_of(store, entries, text, arguments.has("force")));
    for (const TagEntry& entry : found)
      if (std::ranges::none_of(doomed, [&](const TagEntry& one) { return one.name() == entry.name(); }))
        doomed.push_back(entry);
  }
  MRUN_ASSIGN(const bool go_ahead, confirm_plan(context, arguments, plan_text(doomed, entries),
                                                doomed.size() == 1 ? "remove it?" : "remove them?"));
  Json removed = Json::array();
  for (const TagEntry& entry : doomed) {
    if (go_ahead) {
      MRUN_ASSIGN(const Reference reference, Reference::parse(entry.name()));
      MRUN_TRY(store.untag(reference));
    }
    removed.push_back(
        {{"reference", entry.name()}, {"digest", entry.digest.text()}, {"size_bytes", entry.size_bytes}});
  }
  if (context.json)
    MRUN_TRY(print_json(context.terminal,
                        {{"schema", "mrun.rm/v1"}, {"removed", std::move(removed)}, {"dry_run", !go_ahead}}));
  return 0;
}

} // namespace

extern const CommandSpec k_command_rm;
constinit const CommandSpec k_command_rm{
    .name = "rm",
    .group = CommandGroup::build,
    .summary = "remove models from the store",
    .description = "Removes names. The files stay until `mrun gc`, which frees what nothing else uses. A "
                   "loaded model goes\n"
                   "on running; unload it with `mrun stop`.",
    .positionals = k_positionals,
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
