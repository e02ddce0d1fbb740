// config.yaml of the user's home, as types (docs/formats/config.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/limits.h"
#include "cost/charge.h"
#include "daemon/app/listen.h"
#include "daemon/runner/model_settings.h"

namespace mrun {

// A row of the price book, by name.
struct PriceName {
  std::string provider;
  std::string sku;
  std::string product;
};

struct DaemonConfig {
  std::optional<std::uint64_t> memory_budget_bytes; // memory_budget: 6GiB; default: 80 % of what is available
  std::size_t max_queue = k_max_queue_length;       // max_queue: 256
  std::chrono::seconds idle_unload{0}; // idle_unload: 10m; 0: workers stay until memory is needed
  std::chrono::milliseconds drain_timeout = k_drain_timeout; // drain_timeout: 30s
  bool zygote = true;                                        // zygote: false starts every worker from nothing
  std::string torch_dir;                                     // torch_dir: /absolute/folder
  std::optional<OwnRate> cost; // cost: {rate: "0.36", per: instance_h, currency: USD, idle_rate: "0.05"}
  std::optional<PriceName> cost_reference; // cost_reference: {provider: replicate, sku: …, product: public}
  ListenSettings listen; // listen: [tcp://127.0.0.1:8000], allow_hosts: [gpu.lan], insecure_plaintext: true
  std::string registry;  // registry: HOST, for the CLI's push and pull
  std::map<std::string, ModelSettings>
      models; // models: {owner/name: {instances: 2, threads: 4, pinned: true}}
};

// Unknown keys are errors, with the nearest known one. Error config_invalid: `config.yaml:3:1: …`.
Result<DaemonConfig> parse_config(std::string_view text, std::string_view file_name);
// An absent file is the default configuration.
Result<DaemonConfig> load_config(const std::string& path);

} // namespace mrun
