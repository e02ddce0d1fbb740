#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/interrupt.h"
#include "cli/context.h"
#include "cli/predict/target.h"
#include "cli/remote/transfer_line.h"
#include "cli/remote/verify_signatures.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"
#include "packager/remote_name.h"
#include "packager/store_verify.h"

namespace mrun::cli {
namespace {

using Clock = std::chrono::steady_clock;

// The versions to look at, and what they are called here.
struct Targets {
  std::vector<Digest> versions;
  std::map<Digest, std::vector<std::string>> names;
  std::map<Digest, bool> are_pulled; // a name came from a registry
};

// What is no version of a model has a name as well when something of it is damaged.
Result<void> name_others(const Store& store, Targets& targets) {
  MRUN_ASSIGN(const std::vector<OtherManifest> others, store.others());
  for (const OtherManifest& other : others)
    if (!other.subject) targets.names[other.digest].push_back("manifest " + other.digest.short_hex());
  return {};
}

Result<Targets> find_targets(const Store& store, const std::vector<std::string>& references) {
  Targets targets;
  std::set<Digest> versions;
  MRUN_ASSIGN(const std::vector<TagEntry> entries, store.list());
  for (const TagEntry& entry : entries) {
    const std::string name = entry.tag.empty() ? entry.model + "@" + entry.digest.short_hex()
                                               : fmt::format("{}:{}", entry.model, entry.tag);
    targets.names[entry.digest].push_back(name);
    targets.are_pulled[entry.digest] |= !entry.origin.empty();
    if (references.empty()) versions.insert(entry.digest);
  }
  if (references.empty()) MRUN_TRY(name_others(store, targets));
  for (const std::string& text : references) {
    MRUN_ASSIGN(const Reference reference, Reference::parse(text));
    MRUN_ASSIGN(const Digest digest, find_version(store, reference));
    versions.insert(digest);
    if (!targets.names.contains(digest)) targets.names[digest].push_back(reference.text());
  }
  targets.versions.assign(versions.begin(), versions.end());
  return targets;
}

std::vector<std::string> names_of(const Targets& targets, const BlobProblem& problem) {
  std::vector<std::string> names;
  for (const Digest& version : problem.versions)
    if (const auto found = targets.names.find(version); found != targets.names.end())
      names.insert(names.end(), found->second.begin(), found->second.end());
  return names;
}

// What brings the right content again.
std::string mend_words(const Targets& targets, const VerifyReport& report, bool removed) {
  bool needed = false, pulled = false;
  bool attached = !report.problems.empty();
  bool stays = false; // a blob of the right size counts as there, whatever it holds
  for (const BlobProblem& problem : report.problems) {
    needed |= !problem.versions.empty();
    attached &= problem.is_attached;
    stays |= problem.fault == BlobFault::content;
    for (const Digest& version : problem.versions)
      if (const auto found = targets.are_pulled.find(version); found != targets.are_pulled.end())
        pulled |= found->second;
  }
  if (attached) return "mrun pull HOST/OWNER/NAME --key PUB brings the signature along again";
  const std::string first = stays && !removed ? "mrun verify --all --remove, then " : "";
  if (!needed) return removed ? "nothing needs it" : "mrun gc: nothing needs it";
  return first + (pulled ? "mrun pull" : "mrun pack") + " the model again";
}

Json problem_json(const Targets& targets, const BlobProblem& problem) {
  Json versions = Json::array();
  for (const Digest& version : problem.versions)
    versions.push_back(version.text());
  return {{"blob", problem.blob.text()},
          {"fault", blob_fault_name(problem.fault)},
          {"message", problem.words},
          {"versions", std::move(versions)},
          {"references", names_of(targets, problem)}};
}

struct Verified {
  VerifyReport report;
  std::vector<Digest> removed;
  std::int64_t elapsed_ns = 0;

  std::uint64_t bytes_per_second() const {
    return elapsed_ns > 0 ? static_cast<std::uint64_t>(static_cast<double>(report.hashed_bytes) * 1e9 /
                                                       static_cast<double>(elapsed_ns))
                          : 0;
  }
};

Json report_json(const Targets& targets, const Verified& verified) {
  Json versions = Json::array();
  for (const Digest& version : targets.versions) {
    const auto names = targets.names.find(version);
    versions.push_back({{"digest", version.text()},
                        {"references", names == targets.names.end() ? Json::array() : Json(names->second)},
                        {"ok", !verified.report.is_damaged(version)}});
  }
  Json problems = Json::array();
  for (const BlobProblem& problem : verified.report.problems)
    problems.push_back(problem_json(targets, problem));
  Json removed = Json::array();
  for (const Digest& blob : verified.removed)
    removed.push_back(blob.text());
  return {{"schema", "mrun.verify/v1"},
          {"ok", verified.report.problems.empty()},
          {"versions", std::move(versions)},
          {"blobs", verified.report.blobs},
          {"hashed_bytes", verified.report.hashed_bytes},
          {"elapsed_ns", verified.elapsed_ns},
          {"problems", std::move(problems)},
          {"removed", std::move(removed)}};
}

Json signatures_json(const SignatureReport& signatures) {
  Json list = Json::array();
  for (const SignedReference& one : signatures.found)
    list.push_back(
        {{"reference", one.reference}, {"digest", one.digest.text()}, {"signed_by", one.signed_by}});
  return list;
}

std::string problems_text(const Targets& targets, const VerifyReport& report) {
  std::string text;
  for (const BlobProblem& problem : report.problems) {
    std::string names;
    for (const std::string& name : names_of(targets, problem))
      names += (names.empty() ? "" : ", ") + name;
    text += fmt::format("{} {}; {}\n", problem.blob.text(), printable(problem.words),
                        problem.versions.empty() ? "nothing needs it" : "needed by " + names);
  }
  return text;
}

// What is no blob of this digest goes; a version that is merely invalid stays.
Result<std::vector<Digest>> remove_damaged(const Context& context, const VerifyReport& report) {
  std::vector<Digest> damaged;
  for (const BlobProblem& problem : report.problems)
    if (problem.fault == BlobFault::content || problem.fault == BlobFault::size)
      damaged.push_back(problem.blob);
  if (damaged.empty()) return damaged;
  MRUN_ASSIGN(Store store, open_store_to_write(context));
  return store.discard(damaged);
}

Result<Verified> verify(const Context& context, const Store& store, const Targets& targets,
                        const Arguments& arguments) {
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  TransferLine line(context, "verifying");
  VerifyOptions options;
  options.everything = arguments.positionals().empty();
  options.on_progress = [&](const VerifyProgress& progress) {
    line.show({.done_bytes = progress.done_bytes,
               .total_bytes = progress.total_bytes,
               .moved_bytes = progress.done_bytes,
               .done_blobs = 0,
               .total_blobs = 0});
  };
  options.is_stopped = [&] { return interrupt.exit_code() != 0; };
  const Clock::time_point begin = Clock::now();
  Verified verified;
  MRUN_ASSIGN(verified.report, verify_versions(store, targets.versions, options));
  verified.elapsed_ns = std::chrono::nanoseconds(Clock::now() - begin).count();
  if (arguments.has("remove")) {
    MRUN_ASSIGN(verified.removed, remove_damaged(context, verified.report));
  }
  return verified;
}

// A first pack that was killed made folders of the store and no blob: nothing is wrong with it.
bool is_begun(const Context& context) {
  namespace fs = std::filesystem;
  const auto home = context.home();
  std::error_code failed;
  if (!home || !fs::is_directory(home->data, failed) || fs::exists(home->data / "oci-layout", failed))
    return false;
  const fs::path blobs = home->data / "blobs/sha256";
  return !failed && (!fs::exists(blobs, failed) || fs::is_empty(blobs, failed)) && !failed;
}

} // namespace

Result<int> run_verify(Context& context, const Arguments& arguments) {
  if (arguments.has("all") && !arguments.positionals().empty())
    return fail(ErrorCode::usage, "`--all` verifies every model, and one is named",
                "leave out `--all`, or the names");
  MRUN_ASSIGN(const SignatureReport signatures, verify_signatures(context, arguments));
  if (arguments.has("key") && signatures.local.empty()) { // in registries only
    if (context.json)
      MRUN_TRY(print_json(
          context.terminal,
          {{"schema", "mrun.verify/v1"}, {"ok", true}, {"signatures", signatures_json(signatures)}}));
    return 0;
  }
  const Result<Store> store = open_store_to_read(context);
  Targets targets;
  Verified verified;
  if (store) {
    MRUN_ASSIGN(targets, find_targets(*store, signatures.local));
    MRUN_ASSIGN(verified, verify(context, *store, targets, arguments));
  } else if (!is_begun(context) || !arguments.positionals().empty()) {
    return tl::unexpected(store.error());
  }
  const VerifyReport& report = verified.report;
  if (context.json) {
    Json json = report_json(targets, verified);
    if (arguments.has("key")) json["signatures"] = signatures_json(signatures);
    MRUN_TRY(print_json(context.terminal, json));
    return report.problems.empty() ? 0 : error_row(ErrorCode::store_corrupt).exit_code;
  }
  MRUN_TRY(context.terminal.out(problems_text(targets, report)));
  context.say(fmt::format("verified {}: {}, {} in {} ({}/s)", count_words(targets.versions.size(), "version"),
                          count_words(report.blobs, "blob"), format_bytes(report.hashed_bytes),
                          format_duration(verified.elapsed_ns), format_bytes(verified.bytes_per_second())));
  if (!verified.removed.empty())
    context.say(fmt::format("removed {}", count_words(verified.removed.size(), "damaged blob")));
  if (report.problems.empty()) return 0;
  return fail(ErrorCode::store_corrupt,
              fmt::format("{} of {} are not what they should be", report.problems.size(),
                          count_words(report.blobs, "blob")),
              mend_words(targets, report, !verified.removed.empty()));
}

} // namespace mrun::cli
