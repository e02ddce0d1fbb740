// What a user sees while it measures: one line with the time left on a terminal that can rewrite it, a line
// a part elsewhere.
#pragma once

#include <chrono>
#include <string>

#include "cli/context.h"

namespace mrun::bench {

class Progress {
 public:
  explicit Progress(const cli::Context& context);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { m_context.terminal.clear_status(); }

  // A part begins; `share` of the whole that it takes, as far as is known (all add up to 1).
  void begin(const std::string& name, double share);
  // How much of the part is done, 0 to 1. Drawn at most ten times a second.
  void tick(double done, const std::string& detail = {});

 private:
  using Clock = std::chrono::steady_clock;
  const cli::Context& m_context;
  bool m_silent;
  std::string m_name;
  double m_before = 0; // share of the parts that are done
  double m_share = 0;
  Clock::time_point m_start = Clock::now();
  Clock::time_point m_next;
};

} // namespace mrun::bench
