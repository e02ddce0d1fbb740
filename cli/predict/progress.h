// What a user sees while a model loads for the first time.
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <string_view>

#include "cli/context.h"

namespace mrun::cli {

// Silent for the first 0.3 s. Then, on a terminal that can, one line that is rewritten and vanishes;
// elsewhere one plain line per phase, the first time it comes. Nothing with --quiet or --json.
class LoadProgress {
 public:
  using Time = std::chrono::steady_clock::time_point;

  LoadProgress(const Context& context, std::string model, Time now);
  ~LoadProgress() { clear(); }
  LoadProgress(const LoadProgress&) = delete;
  LoadProgress& operator=(const LoadProgress&) = delete;

  void phase(std::string_view name, Time now);
  // When tick() wants to be called next; Time::max() when there is nothing to show.
  Time next_tick() const;
  void tick(Time now);
  // Takes the line away; nothing is shown after.
  void clear();

 private:
  void draw(Time now);

  const Context& m_context;
  std::string m_model;
  std::string m_phase;
  std::set<std::string> m_shown_phases; // elsewhere than on a terminal
  Time m_start;
  Time m_next;
  bool m_silent;
};

// "reading weights" for `map`; what a phase does, for people.
std::string_view phase_words(std::string_view phase);

} // namespace mrun::cli
