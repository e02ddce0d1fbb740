// What the database holds, as types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/digest.h"
#include "cost/charge.h"
#include "daemon/api/ledger.h"
#include "daemon/api/prediction.h"
#include "daemon/api/token.h"
#include "daemon/api/uploaded_file.h"

namespace mrun {

// An output file of a prediction; its bytes lie in state/outputs by digest.
struct StoredOutput {
  Digest digest;
  std::string media_type;
  std::string name;
  std::uint64_t size_bytes = 0;
};

// What the ledger notes of a prediction, frozen at its end.
struct LedgerRow {
  std::string device;
  std::string worker; // the id of that worker's setup line; "" when none had it
  std::int64_t predict_ns = 0;
  std::int64_t total_ns = 0;
  std::string units; // what was measured of its output, as JSON; "" for nothing
  Charge own;
  Charge reference;
};

// A worker's life: which lines of the ledger are its own.
struct WorkerLife {
  std::string id; // of its setup line, and noted in every other
  std::string model;
  std::string version;
  std::string device;
};

// A line of its own: a load (setup), or a stretch in which a loaded worker had nothing to do (idle).
struct StretchRow {
  std::string id;
  LedgerKind kind = LedgerKind::setup;
  std::string status;
  WorkerLife worker;
  std::string cause; // the prediction that made the worker load, or that ended its idleness; "" for none
  std::int64_t began_ns = 0;
  std::int64_t at_ns = 0; // it ended, or became known to have ended
  std::optional<std::int64_t> duration_ns;
  std::string phases; // of a load, as JSON
  Charge own;
  Charge reference;
};

// A stretch that has begun.
struct OpenStretch {
  LedgerKind kind = LedgerKind::setup;
  WorkerLife worker;
  std::string cause;
  std::int64_t began_ns = 0;
};

// Everything that the end of a prediction writes, in one transaction.
struct FinishedPrediction {
  PredictionPtr prediction; // terminal; it does not change any more
  std::string output;       // canonical JSON of prediction.output
  std::string events;       // encode_events() of all but `done`
  std::vector<StoredOutput> outputs;
  LedgerRow ledger;
  std::vector<StretchRow> stretches;    // the idleness that it ended
  std::optional<OpenStretch> idle_from; // its worker has nothing to do from now on
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
