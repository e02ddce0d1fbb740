#include "cli/bench/measure/bench.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "cli/bench/measure/cold.h"
#include "cli/bench/measure/cost.h"
#include "cli/bench/measure/interleaved.h"
#include "cli/bench/measure/load_curve.h"
#include "cli/bench/measure/machine.h"
#include "cli/bench/measure/part_names.h"
#include "cli/bench/measure/private_home.h"
#include "cli/bench/measure/pulled.h"
#include "cli/bench/measure/residency.h"
#include "cli/bench/measure/slo.h"
#include "cli/bench/measure/stored.h"
#include "cli/bench/measure/validity.h"
#include "cli/bench/measure/warm.h"
#include "cli/predict/target.h"
#include "common/clock.h"
#include "common/text.h"
#include "daemon/api/prediction.h"
#include "packager/remote_name.h"

namespace mrun::bench {
namespace {

Result<Bundle> find_baseline(const Store& store, const std::string& text) {
  MRUN_ASSIGN(const Reference reference, Reference::parse(text));
  MRUN_ASSIGN(const Digest digest, find_version(store, reference));
  return store.load(digest);
}

// A baseline is files when the first is one, else a model.
bool is_file(const std::string& text) {
  std::error_code ignored;
  return text.find(".json") != std::string::npos || std::filesystem::is_regular_file(text, ignored);
}

SubjectFacts facts_of_subject(const Subject& subject) {
  return {subject.reference,         subject.bundle.manifest.name,        subject.version(),
          subject.bundle.size_bytes, subject.bundle.manifest.concurrency, subject.cases_digest};
}

// One prediction before anything is measured: whether it works at all.
Result<bool> probe(Rig& rig, const Subject& subject, const std::string& part) {
  rig.progress.begin(part, 0);
  MRUN_ASSIGN(const LoadRun run, run_in_turn(rig, subject, 1, 0, 0));
  if (run.samples.empty()) return false;
  const Sample& sample = run.samples[0];
  rig.result.note(part, sample);
  if (sample.outcome != Outcome::succeeded) return false;
  rig.result.device = sample.server.device;
  return true;
}

void warn_of_others(Rig& rig) {
  const auto workers = rig.client.get("/mrun/v1/ps");
  if (!workers || !workers->contains("models") || !(*workers)["models"].is_array()) return;
  for (const Json& model : (*workers)["models"])
    if (model.is_object() && model.value("running", Json(0)) != 0)
      rig.result.warnings.push_back(fmt::format("{} was running predictions when it began",
                                                printable(model.value("model", std::string()), 100)));
}

Result<void> measure_alone(Rig& rig, const Subject& subject, const PrivateHome* home) {
  const Options& options = rig.options;
  const double share = options.cold && options.warm ? 0.5 : 1;
  if (options.cold)
    MRUN_TRY(home != nullptr ? measure_pulls(rig, subject, *home, share) : measure_cold(rig, subject, share));
  if (options.warm && !rig.interrupted) {
    MRUN_ASSIGN(rig.result.warm, measure_warm(rig, subject, share));
  }
  if (options.load && !rig.interrupted) MRUN_TRY(measure_load(rig, subject, 1));
  return {};
}

bool has_samples(const BenchResult& result) {
  return (result.cold && !result.cold->runs.empty()) || (result.warm && !result.warm->samples.empty()) ||
         !result.load.empty();
}

// An error in the middle ends the measurement and loses nothing of what was measured before.
Result<void> keep_what_there_is(Rig& rig, Result<void> measured) {
  if (measured || !has_samples(rig.result)) return measured;
  if (measured.error().code == ErrorCode::interrupted_by_user)
    rig.interrupted = true;
  else
    rig.result.stopped = measured.error().message;
  return {};
}

void conclude(Rig& rig, const std::vector<StoredRun>& stored) {
  BenchResult& result = rig.result;
  result.partial = rig.interrupted || !result.stopped.empty();
  if (!stored.empty()) judge_against(result, stored);
  judge_parts(result);
  add_cost(result);
  judge_validity(result);
}

} // namespace

Result<BenchResult> run_bench(cli::Context& context, const cli::Arguments& arguments, const Options& options,
                              int interrupt_fd) {
  const bool from_files = !options.baselines.empty() && is_file(options.baselines[0]);
  std::vector<StoredRun> stored;
  if (!options.baselines.empty() && options.load)
    return fail(ErrorCode::usage, "a load is not compared with a baseline", "use --mode warm, cold or all");
  if (from_files) {
    MRUN_ASSIGN(stored, read_stored(options.baselines));
  } else if (!options.pin.empty()) {
    return fail(ErrorCode::usage,
                "--pin names a result of the baseline's files, and the baseline is a model");
  } else if (options.baselines.size() > 1) {
    return fail(ErrorCode::usage, "one model can be the baseline", "several files may be given");
  }
  if (options.cold && options.tier == Tier::host) MRUN_TRY(need_root());
  std::optional<PrivateHome> home;
  if (options.cold && options.tier == Tier::pull) {
    if (!options.baselines.empty() && !from_files)
      return fail(ErrorCode::usage, "--cold pull is not compared with a model",
                  "give result files as --baseline");
    MRUN_ASSIGN(home, begin_pulls(context, arguments.positional(0), interrupt_fd));
  }
  MRUN_ASSIGN(const cli::PredictTarget target, cli::find_target(context, arguments));
  MRUN_ASSIGN(const Store store, cli::open_store_to_read(context));
  MRUN_ASSIGN(cli::DaemonClient client, cli::DaemonClient::connect(context, cli::Start::if_needed));
  MRUN_ASSIGN(const HomePaths paths, context.home());

  BenchResult result;
  result.created_ns = system_clock().wall_ns();
  result.id = new_prediction_id(result.created_ns);
  result.options = options;
  result.machine = read_machine(paths.data);
  Progress progress(context);
  Rig rig{context, client, store, paths.cache, options, interrupt_fd, progress, result};
  MRUN_ASSIGN(Subject subject, make_subject(client, arguments.positional(0), target.bundle, options));
  result.subject = facts_of_subject(subject);
  if (from_files) {
    MRUN_ASSIGN(stored, comparable_runs(std::move(stored), result));
  }
  warn_of_others(rig);
  MRUN_ASSIGN(const bool works, probe(rig, subject, part_name(k_probe_part, false)));
  if (works && !options.baselines.empty() && !from_files) {
    MRUN_ASSIGN(Bundle bundle, find_baseline(store, options.baselines[0]));
    MRUN_ASSIGN(Subject base, make_subject(client, options.baselines[0], std::move(bundle), options));
    if (base.version() == subject.version())
      result.warnings.emplace_back("the baseline is the same version: this tests the gate, not the model");
    MRUN_ASSIGN(const bool base_works, probe(rig, base, part_name(k_probe_part, true)));
    if (base_works) MRUN_TRY(keep_what_there_is(rig, measure_interleaved(rig, base, subject)));
  } else if (works) {
    MRUN_TRY(keep_what_there_is(rig, measure_alone(rig, subject, home ? &*home : nullptr)));
  }
  conclude(rig, stored);
  client.settle_build_skew();
  return result;
}

} // namespace mrun::bench
