// One request of a measurement: when it was due, sent and answered here, and what the daemon says of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/error.h"
#include "common/json.h"
#include "common/phases.h"
#include "cost/money.h"

namespace mrun::bench {

enum class Outcome : std::uint8_t {
  pending, // not ended when the run was stopped
  succeeded,
  failed,     // the prediction ended otherwise
  refused,    // 429 or 503: the queue is full
  unanswered, // the connection broke, the time ran out, or the reply makes no sense
};

// Of the prediction's `metrics`.
struct ServerReport {
  Phases phases;
  std::int64_t total_ns = 0; // the phases' sum
  bool cold_start = false;
  int worker_pid = 0;
  std::uint64_t peak_memory_bytes = 0;
  std::optional<std::uint64_t> read_bytes;   // by the worker from disk since it began
  std::optional<std::uint64_t> major_faults; // of the worker since it began
  std::optional<Money> cost;                 // by the user's own rate; unknown: nullopt
  std::string cost_currency;
  std::string cost_reason; // of an unknown one, in the daemon's words
  std::optional<Money> reference;
  std::string reference_name; // "USD at replicate/CPU 4x 8GB"
  std::string device;
};

// All times are CLOCK_MONOTONIC, relative to the start of the run; -1: it did not happen.
struct Sample {
  std::int64_t scheduled_ns = 0;
  std::int64_t connect_ns = -1; // how long the connection took to open, when it was a new one
  std::int64_t sent_ns = -1;    // the first byte left
  std::int64_t first_byte_ns = -1;
  std::int64_t first_output_ns = -1; // of a streamed prediction
  std::int64_t done_ns = -1;
  Outcome outcome = Outcome::pending;
  int http_status = 0;
  std::string problem; // one line, unless it succeeded
  ServerReport server;

  std::int64_t latency_ns() const { return done_ns - scheduled_ns; } // of one that was answered
};

// Reads a finished prediction object into the sample.
void read_prediction(const Json& prediction, Sample& sample);
// Reads a whole reply: the prediction, or a problem object.
void read_reply(int status, std::string_view body, Sample& sample);

} // namespace mrun::bench
