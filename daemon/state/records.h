// What the database holds, as types.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/digest.h"
#include "daemon/api/prediction.h"
#include "daemon/api/uploaded_file.h"
#include "daemon/ledger/cost.h"

namespace mrun {

// An output file of a prediction; its bytes lie in state/outputs by digest.
struct StoredOutput {
  Digest digest;
  std::string media_type;
  std::string name;
  std::uint64_t size_bytes = 0;
};

struct LedgerRow {
  std::string device;
  std::int64_t predict_ns = 0;
  Charge own;
  Charge reference;
};

// Everything that the end of a prediction writes, in one transaction.
struct FinishedPrediction {
  PredictionPtr prediction; // terminal; it does not change any more
  std::string output;       // canonical JSON of prediction.output
  std::string events;       // encode_events() of all but `done`
  std::vector<StoredOutput> outputs;
  LedgerRow ledger;
  bool cold_start = false;
  bool has_row = true; // false: insert() was never asked for this one, so the end makes the row
};

// A JSON array of [wall_ns, type, data]; an event's number is its place, from 1. The one output value that is
// the whole output stands in the row already: its entry is [wall_ns, "output"].
std::string encode_events(const std::vector<Event>& events, const Json& output);
// Error database_corrupt.
Result<std::vector<Event>> decode_events(const std::string& text, const Json& output);

// {code, message, hint, notes}, as the column `error` holds it.
std::string encode_error(const Error& error);
Error decode_error(const std::string& text);

} // namespace mrun
