// Warm latency: one client that sends when it has been answered.
#pragma once

#include "cli/bench/measure/rig.h"

namespace mrun::bench {

struct Warmup {
  std::size_t requests = 0;
  bool settled = true;
};
// Until three windows in a row agree within 10 % (each goes through the inputs, for 100 ms or once), at least
// 3 requests, at most 60 s or three windows in which nothing succeeds; or options.warmup requests. They are
// noted under `part`.
Result<Warmup> warm_up(Rig& rig, const Subject& subject, const std::string& part);

// options.duration_ns long, at most 20,000 requests, at least 10 unless those take over a minute.
Result<WarmPart> measure_warm(Rig& rig, const Subject& subject, double share);

// `count` requests one after the other (or what fits into `duration_ns`, if that is not 0).
Result<LoadRun> run_in_turn(Rig& rig, const Subject& subject, std::size_t count, std::int64_t duration_ns,
                            std::size_t first_input);

} // namespace mrun::bench
