// For scheduler tests: a scheduler with a clock moved by hand that collects its actions.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "daemon/runner/scheduler.h"

namespace mrun::sched {

inline constexpr std::int64_t k_second = 1'000'000'000;

struct Bench {
  State state;
  std::int64_t now_ns = 1000 * k_second;
  std::vector<Action> actions; // of the last step

  Bench() {
    state.config.memory_budget_bytes = 100;
    state.config.core_tokens = 2;
    state.config.max_queue = 4;
  }

  template<class What>
  void on(What what) {
    actions.clear();
    step(state, {now_ns, std::move(what)}, actions);
  }
  void after(std::chrono::nanoseconds time) {
    now_ns += time.count();
    on(Tick{});
  }
  void submit(RunKey key, ModelId model, ModelTraits traits = {}, std::int64_t deadline_ns = 0) {
    if (traits.name.empty()) traits.name = "acme/m" + std::to_string(model);
    if (traits.memory_bytes == 0) traits.memory_bytes = 10;
    on(Submit{key, model, traits, deadline_ns});
  }
  // Submits and loads; gives the worker.
  WorkerId load(RunKey key, ModelId model, ModelTraits traits = {}) {
    submit(key, model, std::move(traits));
    const auto* start = find<StartWorker>();
    REQUIRE(start != nullptr);
    const WorkerId worker = start->worker;
    on(Loaded{worker, 0});
    REQUIRE(find<Dispatch>() != nullptr);
    return worker;
  }
  void done(RunKey key, WorkerId worker, PredictionStatus status = PredictionStatus::succeeded,
            bool healthy = true) {
    on(PredictionEnded{key, worker, status, healthy, 0});
  }

  template<class What>
  const What* find() const {
    for (const Action& action : actions)
      if (const auto* what = std::get_if<What>(&action)) return what;
    return nullptr;
  }
  template<class What>
  std::size_t count() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        actions, [](const Action& action) { return std::holds_alternative<What>(action); }));
  }
  const Finish* finish_of(RunKey key) const {
    for (const Action& action : actions)
      if (const auto* what = std::get_if<Finish>(&action); what != nullptr && what->key == key) return what;
    return nullptr;
  }
  const EndWorker* end_of(WorkerId worker) const {
    for (const Action& action : actions)
      if (const auto* what = std::get_if<EndWorker>(&action); what != nullptr && what->worker == worker)
        return what;
    return nullptr;
  }
};

inline Error some_error(ErrorCode code = ErrorCode::worker_crashed) {
  Error error;
  error.code = code;
  error.message = "it broke";
  return error;
}

} // namespace mrun::sched
