// Phases and amounts as JSON and as words of a log line.
#pragma once

#include <string>

#include "common/json.h"
#include "common/phases.h"
#include "cost/charge.h"

namespace mrun {

Json phases_json(const Phases& phases);
// "queue=0.012ms,predict=3.100ms"; "none".
std::string phases_text(const Phases& phases);
// "0.0001 USD"; "unknown".
std::string amount_text(const Charge& charge);

} // namespace mrun
