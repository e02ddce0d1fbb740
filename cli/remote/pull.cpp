#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/interrupt.h"
#include "cli/context.h"
#include "cli/predict/target.h"
#include "cli/remote/remote_target.h"
#include "cli/remote/signing.h"
#include "cli/remote/transfer_line.h"
#include "cli/render/json_text.h"
#include "common/text.h"
#include "packager/registry/pull.h"

namespace mrun::cli {
namespace {

Json result_json(const PullPlan& plan, bool dry_run) {
  return {{"schema", "mrun.pull/v1"},
          {"digest", plan.version ? Json(plan.version->text()) : Json(nullptr)},
          {"version", plan.version ? Json(plan.version->hex()) : Json(nullptr)},
          {"source_digest", plan.foreign ? Json(plan.manifest.digest.text()) : Json(nullptr)},
          {"reference", fmt::format("{}:{}", plan.local.model(), plan.local.tag_or_default())},
          {"size_bytes", plan.size_bytes},
          {"fetched_bytes", plan.fetch_bytes},
          {"previous", plan.previous ? Json(plan.previous->text()) : Json(nullptr)},
          {"signed_by", plan.signature.signature ? Json(plan.signature.signed_by) : Json(nullptr)},
          {"dry_run", dry_run}};
}

void say_signature(const Context& context, const SignatureFinding& finding) {
  if (finding.problem)
    context.warn(fmt::format("{} (require_signature says `warn`)", finding.problem->message));
  if (finding.signature) context.say(fmt::format("signed by {}", printable(finding.signed_by, 200)));
}

void say_end(const Context& context, const PullPlan& plan, const Store& store) {
  const std::string name = fmt::format("{}:{}", plan.local.model(), plan.local.tag_or_default());
  if (plan.previous)
    context.say(
        fmt::format("{} moved from {} to {}", name, plan.previous->short_hex(), plan.version->short_hex()));
  context.say(fmt::format("{} is {}: {}, {} fetched", name, plan.version->short_hex(),
                          format_bytes(plan.size_bytes), format_bytes(plan.fetch_bytes)));
  if (!plan.foreign) return;
  context.say(fmt::format("it was made of {} ({}): see `mrun show {}`", plan.foreign->kind,
                          plan.manifest.digest.short_hex(), name));
  warn_of_engine(context, store, *plan.version);
}

} // namespace

Result<int> run_pull(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const Reference remote, parse_remote(arguments.positional(0)));
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  PullRequest request;
  request.remote = remote;
  request.force = arguments.has("force");
  MRUN_ASSIGN(request.signature, demand_for(context, arguments, remote));
  MRUN_ASSIGN(const std::unique_ptr<Registry> registry, open_registry(remote, interrupt.fd()));
  MRUN_ASSIGN(Store store, open_store_to_write(context));
  if (arguments.has("dry-run")) {
    MRUN_ASSIGN(const PullPlan plan, plan_pull(*registry, request, store));
    say_signature(context, plan.signature);
    if (context.json)
      MRUN_TRY(print_json(context.terminal, result_json(plan, true)));
    else
      context.say(fmt::format("{} is {}: {}, of which {} in {} would be fetched", remote.text(),
                              plan.manifest.digest.short_hex(), format_bytes(plan.size_bytes),
                              format_bytes(plan.fetch_bytes),
                              plan.fetch_blobs == 1 ? "1 blob" : fmt::format("{} blobs", plan.fetch_blobs)));
    return 0;
  }
  TransferLine line(context, "pulling");
  request.transfer.on_progress = [&](const TransferProgress& progress) { line.show(progress); };
  MRUN_ASSIGN(const PullPlan pulled, pull(*registry, request, store));
  say_signature(context, pulled.signature);
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, result_json(pulled, false)));
    return 0;
  }
  MRUN_TRY(context.terminal.out(pulled.version->text() + "\n"));
  say_end(context, pulled, store);
  return 0;
}

} // namespace mrun::cli
