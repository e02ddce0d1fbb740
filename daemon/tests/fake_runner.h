// A runner that does nothing by itself: the test plays the worker. Linked in place of mrun_runner.
#pragma once

#include <map>
#include <vector>

#include "daemon/runner/runner.h"

namespace mrun::testing {

struct FakeRunner {
  RunListener* listener = nullptr;
  RunnerConfig config;
  std::map<RunKey, RunRequest> requests;
  std::vector<RunKey> submitted, cancelled;
  std::optional<Error> refusal; // of the next submit
  std::function<void()> drain_done;
  bool prepared = false;
  RunPlan planned; // what plan() says, but for the device

  RunKey last() const { return submitted.back(); }
  // Ends a run; `outcome` is a success of 5 ms unless it says otherwise.
  void end(RunKey key, RunOutcome outcome);
  static RunOutcome success();
  static RunOutcome failure(PredictionStatus status, ErrorCode code, const std::string& message);
};

// The one that the service under test made last.
FakeRunner& fake_runner();

} // namespace mrun::testing
