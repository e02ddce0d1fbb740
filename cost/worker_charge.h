// What a worker costs beside its predictions: its load (setup), and the time in which it waits (idle).
//
// The lines of a ledger are one state each: a prediction's is `active` (or how it ended), so that a load that
// several predictions waited for is billed once, as a line of its own.
#pragma once

#include "cost/charge.h"

namespace mrun {

enum class WorkerTime { setup, idle };

// The user's machine: setup by `rate`, idle by `idle_rate`. `machine_ns` is the part of the machine's time
// that is this line's (docs/formats/cost.md); `alone`: nothing else shared it. Unknown without the rate.
Charge own_worker_charge(const std::optional<OwnRate>& rate, WorkerTime what, std::int64_t machine_ns,
                         bool alone);
// By the states of the row: `setup` or `idle`. Unknown when the row does not tell, or there is no row.
Charge reference_worker_charge(const PriceRow* row, WorkerTime what, std::int64_t duration_ns);

// The formula of a prediction that shared the machine with others.
inline constexpr const char* k_shared_formula = "rate x share of the machine's time";

// The row as ledger lines use it. A product that bills idle time bills a worker from its start to its stop as
// one stretch, and rounds that: rounding each line would count the same second several times, so its lines
// are exact. Any other is rounded line by line.
PriceRow row_for_lines(PriceRow row);

} // namespace mrun
