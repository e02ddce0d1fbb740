// The phases of one load on the monotonic clock, so that each prediction gets the part that it waited for.
#pragma once

#include <cstdint>
#include <vector>

#include "common/phases.h"

namespace mrun {

class LoadTimeline {
 public:
  void begin(std::int64_t at_ns); // the load begins, with spawn
  // `phase` begins at `at_ns` and the one before ends. What a worker claims is pulled into the load's own
  // time.
  void mark(Phase phase, std::int64_t at_ns, std::int64_t now_ns);
  void end(std::int64_t at_ns);

  bool is_ended() const { return m_end_ns != 0; }
  std::int64_t begin_ns() const { return m_marks.empty() ? 0 : m_marks.front().at_ns; }
  std::int64_t end_ns() const { return m_end_ns; }
  // Adds the durations of what lies between `from_ns` and `to_ns`.
  void add_to(Phases& phases, std::int64_t from_ns, std::int64_t to_ns) const;

 private:
  struct Mark {
    Phase phase;
    std::int64_t at_ns;
  };
  std::vector<Mark> m_marks; // sorted; at most k_max_marks
  std::int64_t m_end_ns = 0;
};

} // namespace mrun
