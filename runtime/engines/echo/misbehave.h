// How the echo engine goes wrong on demand, so that failure tests need no model.
//
// The order is a text `mode[:a[:b]]`: the manifest's `options: {misbehave: …}` (for every prediction, and for
// the modes of a load), or a prediction's input `misbehave` or `mode`, which wins. docs/formats/echo.md lists
// the modes.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/mrun_predictor.h"

namespace mrun::echo {

// `mode`, and its arguments after each colon.
struct Order {
  std::string mode;
  std::vector<std::string> arguments;
  std::optional<std::int64_t> beside; // the number given beside the mode: the first argument's stand-in

  std::int64_t number(std::size_t index, std::int64_t otherwise) const; // otherwise: absent or no number
  std::string text(std::string_view otherwise) const;                   // the first argument
};
Order parse_order(std::string_view text); // `echo` is no mode: ""

// Wakes a slow prediction when it is to stop.
struct CancelBell {
  std::mutex mutex;
  std::condition_variable rung;
};

// What a mode may use. Lives as long as the call.
struct Scene {
  const mrun_host* host;
  std::uint64_t request; // 0 during load
  CancelBell& bell;
  std::uint64_t number = 0; // of the prediction in this worker, from 1
};

// What comes of a mode: the engine goes on and echoes, or returns `status` now.
struct Outcome {
  bool go_on = true;
  mrun_status status = MRUN_OK;
};

struct Mode {
  std::string_view name;
  Outcome (*act)(const Scene& scene, const Order& order);
};
const Mode* find_load_mode(std::string_view name);
const Mode* find_predict_mode(std::string_view name);

} // namespace mrun::echo
