#include "cli/remote/pull_here.h"

#include <fmt/format.h>

#include "cli/locked.h"
#include "cli/predict/target.h"
#include "cli/remote/remote_target.h"
#include "cli/remote/signing.h"
#include "cli/remote/transfer_line.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

void say_signature(const Context& context, const SignatureFinding& finding) {
  if (finding.problem)
    context.warn(fmt::format("{} (require_signature says `warn`)", finding.problem->message));
  if (finding.signature) context.say(fmt::format("signed by {}", printable(finding.signed_by, 200)));
}

// A lock file that goes on naming another version is worth a word, without --locked too.
void compare_with_lock(const Context& context, const PullPlan& plan, const Reference& remote) {
  const auto found = need_lock();
  if (!found && found.error().code == ErrorCode::lock_invalid) context.warn(found.error().message);
  const LockEntry* entry = found ? found->lock.find(remote) : nullptr;
  if (entry != nullptr && entry->digest != plan.manifest.digest)
    context.warn(fmt::format("{} still says {}; `mrun lock {}` accepts {}",
                             printable(found->path.string(), 200), entry->digest.short_hex(),
                             lock_key(remote), plan.manifest.digest.short_hex()));
}

void say_plan(const Context& context, const PullPlan& plan, const Reference& remote) {
  if (plan.previous && plan.version)
    context.say(fmt::format("{} would move from {} to {}", plan.name(), plan.previous->short_hex(),
                            plan.version->short_hex()));
  context.say(fmt::format("{} is {}: {}, of which {} in {} would be fetched", remote.text(),
                          plan.manifest.digest.short_hex(), format_bytes(plan.size_bytes),
                          format_bytes(plan.fetch_bytes),
                          plan.fetch_blobs == 1 ? "1 blob" : fmt::format("{} blobs", plan.fetch_blobs)));
}

void say_end(const Context& context, const PullPlan& plan, const Store& store) {
  const std::string name = plan.name();
  if (plan.previous)
    context.say(
        fmt::format("{} moved from {} to {}", name, plan.previous->short_hex(), plan.version->short_hex()));
  context.say(fmt::format("{} is {}: {}, {} fetched", name, plan.has_tag ? plan.version->short_hex() : "here",
                          format_bytes(plan.size_bytes), format_bytes(plan.fetched_bytes)));
  if (!plan.has_tag)
    context.say(fmt::format("it has no tag: mrun tag {} {}:TAG gives it one", name, plan.local.model()));
  if (!plan.foreign) return;
  context.say(fmt::format("it was made of {} ({}): see `mrun show {}`", plan.foreign->kind,
                          plan.manifest.digest.short_hex(), name));
  warn_of_engine(context, store, *plan.version);
}

// Nothing is written, not even the folders of a store that is not there yet.
Result<PullPlan> plan_here(const Context& context, const PullHere& what, const PullRequest& request,
                           Registry& registry) {
  const Result<Store> store = open_store_to_read(context);
  if (!store && store.error().code != ErrorCode::model_not_found) return tl::unexpected<Error>(store.error());
  MRUN_ASSIGN(PullPlan plan, plan_pull(registry, request, store ? &*store : nullptr));
  say_signature(context, plan.signature);
  say_plan(context, plan, what.remote);
  if (!what.locked) compare_with_lock(context, plan, what.remote);
  return plan;
}

} // namespace

Result<PullPlan> pull_here(Context& context, const Arguments& arguments, const PullHere& what,
                           int interrupt_fd) {
  PullRequest request;
  request.remote = what.remote;
  if (what.locked) {
    request.remote.tag = what.remote.tag_or_default();
    request.remote.digest = what.locked;
  }
  request.force = arguments.has("force");
  MRUN_ASSIGN(request.signature, demand_for(context, arguments, what.remote));
  MRUN_ASSIGN(const std::unique_ptr<Registry> registry,
              open_registry(context, request.remote, interrupt_fd, false, what.credential));
  if (what.dry_run) return plan_here(context, what, request, *registry);
  MRUN_ASSIGN(Store store, open_store_to_write(context));
  TransferLine line(context, "pulling");
  request.transfer.on_progress = [&](const TransferProgress& progress) { line.show(progress); };
  MRUN_ASSIGN(PullPlan plan, pull(*registry, std::move(request), store));
  say_signature(context, plan.signature);
  say_end(context, plan, store);
  if (!what.locked) compare_with_lock(context, plan, what.remote);
  return plan;
}

} // namespace mrun::cli
