// The load generator: one thread, non-blocking Unix sockets that are kept alive, epoll.
//
// Open loop: requests are due by a schedule that was fixed before, whatever the server does; latency counts
// from when a request was due, so that a stall is seen by all who would have waited in it (no coordinated
// omission). Closed loop: each of n clients sends when it has been answered.
//
// Replies are taken apart between requests, when nothing is due, so that reading one never delays another.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/bench/load/sample.h"

namespace mrun::bench {

struct LoadPlan {
  std::filesystem::path socket;
  std::vector<std::string> requests; // whole HTTP requests, sent in turn; not empty
  std::size_t first_request = 0;     // where the turn begins
  // Open loop: offsets from the start in ns, ascending. Empty: closed loop.
  std::vector<std::int64_t> schedule;
  // A closed loop has `max_requests`, `duration_ns` or both.
  std::size_t concurrency = 1;  // clients of a closed loop
  std::size_t max_requests = 0; // of a closed loop; 0: until `duration_ns`
  std::int64_t duration_ns = 0; // of a closed loop: nothing is sent after; 0: until `max_requests`
  std::int64_t timeout_ns = 60'000'000'000; // of one request
  std::size_t max_connections = 900;        // beyond, an open loop drops what is due
  bool stop_when_saturated = false;         // when what waits and the latency both keep growing
  bool fresh_connections = false;           // a new one for each request
  int interrupt_fd = -1;                    // readable: the run ends at once
  std::function<void(std::int64_t elapsed_ns, std::size_t answered)> on_progress; // ten times a second
};

struct LoadRun {
  std::vector<Sample> samples; // in the order in which they were due; only what was sent
  std::size_t dropped = 0;     // were due and not sent: no connection was free
  std::int64_t elapsed_ns = 0; // until the last answer
  std::int64_t start_ns = 0;   // CLOCK_MONOTONIC
  bool saturated = false;
  bool interrupted = false;
};

// Errors: resources, home_refused (the socket's path), daemon_unreachable when nobody listens at the start.
// What happens to single requests is in their samples.
Result<LoadRun> run_load(const LoadPlan& plan);

// The time from due to sent below which 99 % of the requests stayed.
std::int64_t late_send_p99_ns(const LoadRun& run);

} // namespace mrun::bench
