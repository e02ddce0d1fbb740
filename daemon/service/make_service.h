// Makes the prediction service of daemon/service/service.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/paths.h"
#include "cost/charge.h"
#include "daemon/runner/runner.h"
#include "daemon/service/service.h"
#include "daemon/state/writer_database.h"

namespace mrun {

struct ServiceConfig {
  HomePaths home;
  RunnerConfig runner;
  std::optional<OwnRate> own_rate;
  std::optional<PriceRow> cpu_reference;  // whose price `metrics.cost_reference` tells for CPU predictions
  std::optional<PriceRow> cuda_reference; // and for those on a GPU
  std::chrono::milliseconds drain_limit = k_drain_timeout;
  std::string build;
  std::vector<std::string> allow_hosts; // that callers over TCP may name
  std::vector<std::string> listening;   // at which TCP addresses: tcp://127.0.0.1:41233
  std::function<void()> on_drained;     // every prediction has ended and is committed
};

// `io` and `store` outlive the service; `database` has run fail_interrupted(). Removes what unfinished
// uploads left, and uploads past their time. Errors: database, io, disk_full.
Result<std::unique_ptr<PredictionService>> make_prediction_service(boost::asio::io_context& io,
                                                                   ServiceConfig config, Store& store,
                                                                   WriterDatabase database,
                                                                   const Clock& clock = system_clock());

} // namespace mrun
