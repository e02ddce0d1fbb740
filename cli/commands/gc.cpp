// mrun gc: frees the disk of what no name and no lease keeps.
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/confirm.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/predict/target.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr FlagSpec k_flags[] = {
    k_yes_flag,
    k_dry_run_flag,
    {.name = "all", .short_name = 'a', .help = "also what is kept for a day: interrupted pulls, and leases"}};
constexpr ExampleSpec k_examples[] = {{"gc", "shows how much goes, and asks"},
                                      {"gc --dry-run", "only shows it"},
                                      {"gc -y", "in a script"},
                                      {"gc --all", "an interrupted pull then begins anew"}};
constexpr int k_exit_codes[] = {6, 10};

std::string plan_words(const GcPlan& plan) {
  std::string words =
      fmt::format("{}, {}", count_words(plan.blobs.size(), "blob"), format_bytes(plan.size_bytes));
  if (plan.leftovers > 0)
    words += fmt::format(", and {} of interrupted commands", count_words(plan.leftovers, "leftover"));
  return words;
}

// What --all would free besides.
std::string kept_words(const Context& context, const Store& store, const GcPlan& plan, GcReach reach) {
  if (reach == GcReach::all || context.json) return "";
  const Result<GcPlan> all = store.plan_gc(GcReach::all);
  if (!all || all->size_bytes <= plan.size_bytes) return "";
  return fmt::format("; {} more are kept for a day, `mrun gc --all` takes them as well",
                     format_bytes(all->size_bytes - plan.size_bytes));
}

Result<void> print_plan_json(Context& context, const GcPlan& plan, bool dry_run) {
  Json blobs = Json::array();
  for (const Digest& blob : plan.blobs)
    blobs.push_back(blob.text());
  return print_json(context.terminal, {{"schema", "mrun.gc/v1"},
                                       {"blobs", std::move(blobs)},
                                       {"size_bytes", plan.size_bytes},
                                       {"leftovers", plan.leftovers},
                                       {"dry_run", dry_run}});
}

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(Store store, open_store_to_write(context));
  const GcReach reach = arguments.has("all") ? GcReach::all : GcReach::ended;
  MRUN_ASSIGN(const GcPlan plan, store.plan_gc(reach));
  if (plan.blobs.empty() && plan.leftovers == 0) {
    if (context.json)
      MRUN_TRY(print_plan_json(context, plan, arguments.has("dry-run")));
    else
      context.say("nothing to remove" + kept_words(context, store, plan, reach));
    return 0;
  }
  MRUN_ASSIGN(const bool go_ahead, confirm_plan(context, arguments,
                                                fmt::format("remove {}{}\n", plan_words(plan),
                                                            kept_words(context, store, plan, reach)),
                                                "remove them?"));
  if (!go_ahead) {
    if (context.json) MRUN_TRY(print_plan_json(context, plan, true));
    return 0;
  }
  MRUN_ASSIGN(const GcPlan removed, store.collect_garbage(reach));
  if (context.json)
    MRUN_TRY(print_plan_json(context, removed, false));
  else
    context.say(fmt::format("removed {}", plan_words(removed)));
  return 0;
}

} // namespace

extern const CommandSpec k_command_gc;
constinit const CommandSpec k_command_gc{
    .name = "gc",
    .group = CommandGroup::build,
    .summary = "free the disk of what no model uses",
    .description =
        "Removes blobs that nothing in `mrun ls` and no lease keeps (a directory that was predicted from "
        "has one\n"
        "of 24 hours), and what interrupted commands left behind; what an interrupted pull has brought stays "
        "for a\n"
        "day, so that it can go on. Waits up to 10 seconds for a pack or a pull that is under way.",
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
