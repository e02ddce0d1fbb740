#include "cli/bench/measure/pulled.h"

#include <fmt/format.h>

#include "cli/bench/measure/cold.h"
#include "cli/bench/measure/part_names.h"
#include "cli/predict/target.h"
#include "common/clock.h"

namespace mrun::bench {
namespace {

// Removes the version, all of its bytes and what was prepared of them, then fetches it; returns how long the
// fetch took.
Result<std::int64_t> pull_again(Rig& rig, const PrivateHome& home, const Subject& subject) {
  MRUN_ASSIGN(Store store, cli::open_store_to_write(rig.context));
  MRUN_ASSIGN(const std::vector<TagEntry> tags, store.list());
  for (const TagEntry& entry : tags) {
    MRUN_ASSIGN(const Reference reference, Reference::parse(entry.name()));
    MRUN_TRY(store.untag(reference));
  }
  MRUN_TRY(store.collect_garbage());
  std::error_code ignored; // it is in the private home
  std::filesystem::remove_all(rig.files_of(subject).prepared, ignored);
  const std::int64_t begin_ns = system_clock().monotonic_ns();
  MRUN_TRY(home.run_mrun({"pull", subject.reference}, rig.interrupt_fd));
  return system_clock().monotonic_ns() - begin_ns;
}

} // namespace

Result<PrivateHome> begin_pulls(cli::Context& context, const std::string& reference, int interrupt_fd) {
  const auto remote = Reference::parse(reference);
  if (!remote || remote->host.empty())
    return fail(ErrorCode::usage, "--cold pull needs a model of a registry", "write HOST/OWNER/NAME");
  MRUN_ASSIGN(PrivateHome home, PrivateHome::create(context));
  MRUN_TRY(home.run_mrun({"pull", reference}, interrupt_fd));
  return home;
}

Result<void> measure_pulls(Rig& rig, const Subject& subject, const PrivateHome& home, double share) {
  rig.progress.begin("cold start (pull)", share);
  ColdPart& part = rig.result.cold.emplace();
  part.tier = Tier::pull;
  for (std::size_t i = 0; i < rig.options.runs && !rig.interrupted; ++i) {
    MRUN_TRY(rig.unload(subject.version()));
    MRUN_ASSIGN(const std::int64_t fetch_ns, pull_again(rig, home, subject));
    MRUN_ASSIGN(ColdRun run, run_cold(rig, subject, i));
    run.fetch_ns = fetch_ns;
    keep_cold_run(rig, part, std::move(run), std::string(k_cold_part));
    rig.progress.tick(static_cast<double>(i + 1) / static_cast<double>(rig.options.runs),
                      fmt::format("run {} of {}", i + 1, rig.options.runs));
  }
  return {};
}

} // namespace mrun::bench
