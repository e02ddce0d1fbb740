#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/interrupt.h"
#include "cli/consent.h"
#include "cli/context.h"
#include "cli/locked.h"
#include "cli/remote/credential_input.h"
#include "cli/remote/pull_here.h"
#include "cli/remote/remote_target.h"
#include "cli/render/json_text.h"

namespace mrun::cli {
namespace {

Json result_json(const PullPlan& plan, bool dry_run) {
  return {{"schema", "mrun.pull/v1"},
          {"digest", plan.version ? Json(plan.version->text()) : Json(nullptr)},
          {"version", plan.version ? Json(plan.version->hex()) : Json(nullptr)},
          {"source_digest", plan.foreign ? Json(plan.manifest.digest.text()) : Json(nullptr)},
          {"reference", plan.name()},
          {"size_bytes", plan.size_bytes},
          {"fetched_bytes", dry_run ? plan.fetch_bytes : plan.fetched_bytes},
          {"previous", plan.previous ? Json(plan.previous->text()) : Json(nullptr)},
          {"signed_by", plan.signature.signature ? Json(plan.signature.signed_by) : Json(nullptr)},
          {"dry_run", dry_run}};
}

// The one that was named, or with --locked alone, all that mrun.lock has of registries.
Result<std::vector<PullHere>> what_to_pull(const Context& context, const Arguments& arguments) {
  const bool dry_run = arguments.has("dry-run");
  if (!arguments.positionals().empty()) {
    MRUN_ASSIGN(const Reference remote, parse_remote(context, arguments.positional(0)));
    MRUN_ASSIGN(const std::optional<Digest> locked, locked_version(arguments, remote));
    MRUN_ASSIGN(std::optional<Credential> credential, given_credential(arguments, {remote}));
    return std::vector<PullHere>{{remote, locked, dry_run, std::move(credential)}};
  }
  if (!arguments.has("locked"))
    return fail(ErrorCode::usage, "`mrun pull` needs REMOTE", "mrun pull registry.example.com/owner/name");
  if (arguments.has("token-stdin") || arguments.has("username"))
    return fail(ErrorCode::usage, "a password is of one registry, and mrun.lock may name several",
                "name the model, or `mrun login` once");
  MRUN_ASSIGN(const FoundLock found, need_lock());
  std::vector<PullHere> all;
  for (const auto& [name, entry] : found.lock.models) {
    MRUN_ASSIGN(const Reference reference, Reference::parse(name));
    if (!reference.host.empty()) all.push_back({reference, entry.digest, dry_run});
  }
  if (all.empty())
    return fail(ErrorCode::lock_missing, fmt::format("{} names no model of a registry", found.path.string()));
  return all;
}

} // namespace

Result<int> run_pull(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const std::vector<PullHere> wanted, what_to_pull(context, arguments));
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  Json results = Json::array();
  for (const PullHere& what : wanted) {
    MRUN_ASSIGN(const PullPlan plan, pull_here(context, arguments, what, interrupt.fd()));
    if (!what.dry_run) MRUN_TRY(note_consent(context, *plan.version, arguments.has("trust")));
    if (context.json)
      results.push_back(result_json(plan, what.dry_run));
    else if (!what.dry_run)
      MRUN_TRY(context.terminal.out(plan.version->text() + "\n"));
  }
  if (!context.json) return 0;
  if (!arguments.positionals().empty())
    MRUN_TRY(print_json(context.terminal, results[0]));
  else
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.pulls/v1"}, {"models", std::move(results)}}));
  return 0;
}

} // namespace mrun::cli
