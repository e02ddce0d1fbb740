// A prediction as one line of a list: what it is and how it went, without its input, output and logs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/api/prediction.h"

namespace mrun {

struct PredictionRow {
  std::string id;
  std::string model;   // owner/name
  std::string version; // 64 hex
  PredictionStatus status = PredictionStatus::starting;
  std::int64_t created_ns = 0; // wall clock
  std::optional<std::int64_t> started_ns, completed_ns, deadline_ns;
  std::optional<Error> error;
  Tags tags;
  // Known at the end.
  std::string device;
  std::optional<bool> cold_start;
  std::optional<std::int64_t> predict_ns, total_ns;
  std::string amount, currency; // of its own cost; "" when it is not known, with the reason
  std::string cost_reason;
};

// {id, model, version, status, created_at, started_at, completed_at, deadline, error: {code, class, message}
// or null, device, cold_start, predict_ns, total_ns, cost: {amount, currency, reason}, tags}; what is not
// known is null (docs/formats/prediction.md).
Json prediction_row_json(const PredictionRow& row);

} // namespace mrun
