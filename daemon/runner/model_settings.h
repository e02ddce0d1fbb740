// What the user of this machine says of a model, in config.yaml's `models` (docs/formats/config.md).
#pragma once

namespace mrun {

struct ModelSettings {
  int instances = 1; // the most workers, 1 to k_max_instances
  int threads = 0; // cores of a running prediction; 0: the manifest's, else the cores divided by `instances`
  bool pinned = false; // once loaded it stays, whoever needs the memory
};

inline constexpr int k_max_instances = 64;
inline constexpr int k_max_worker_threads = 1024;

} // namespace mrun
