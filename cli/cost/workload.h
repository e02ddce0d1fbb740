// From measurements and assumptions to the work that an estimate prices.
#pragma once

#include "cli/arguments.h"
#include "cli/cost/measurements.h"
#include "cost/estimate.h"

namespace mrun::cli {

struct Workload {
  Work work;
  std::vector<std::string> notes; // what a reader should know: few samples, inputs beyond what was measured
  std::string driver;             // what the time hangs on; "" nothing
};

// What --assume, --per-hour, --keep-warm and --instances say. Error flag_value.
struct Assumptions {
  std::map<std::string, Expected> given; // seconds, setup and units
  std::optional<Expected> per_hour;
  std::optional<Exact> keep_warm_s;
  Exact instances = 0;
};
Result<Assumptions> read_assumptions(const Arguments& arguments);

// `cases` may be empty: then one prediction, of which only the assumptions are known.
Workload make_workload(const std::vector<Case>& cases, const Measurements& measured,
                       const Assumptions& assumed);

// Seconds of all cases; nullopt when they are not known.
std::optional<Expected> total_seconds(const Work& work);

} // namespace mrun::cli
