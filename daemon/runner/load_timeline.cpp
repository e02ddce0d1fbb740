#include "daemon/runner/load_timeline.h"

#include <algorithm>

namespace mrun {
namespace {

constexpr std::size_t k_max_marks = 256; // a worker may repeat phases, not for ever

} // namespace

void LoadTimeline::begin(std::int64_t at_ns) {
  m_marks.assign(1, {Phase::spawn, at_ns});
  m_end_ns = 0;
}

void LoadTimeline::mark(Phase phase, std::int64_t at_ns, std::int64_t now_ns) {
  if (m_marks.empty() || m_marks.size() >= k_max_marks) return;
  at_ns = std::clamp(at_ns, m_marks.front().at_ns, std::max(now_ns, m_marks.front().at_ns));
  // The gap before it was noted when its frame was read, which may be after the next phase began.
  if (m_marks.back().phase == Phase::other && m_marks.back().at_ns > at_ns) m_marks.pop_back();
  m_marks.push_back({phase, std::max(at_ns, m_marks.back().at_ns)});
}

void LoadTimeline::end(std::int64_t at_ns) {
  m_end_ns = m_marks.empty() ? 0 : std::max(at_ns, m_marks.back().at_ns);
}

void LoadTimeline::add_to(Phases& phases, std::int64_t from_ns, std::int64_t to_ns) const {
  for (std::size_t i = 0; i < m_marks.size(); ++i) {
    const std::int64_t until = i + 1 < m_marks.size() ? m_marks[i + 1].at_ns
                               : m_end_ns != 0        ? m_end_ns
                                                      : to_ns;
    const std::int64_t part = std::min(until, to_ns) - std::max(m_marks[i].at_ns, from_ns);
    if (part > 0 && m_marks[i].phase != Phase::other) phases[m_marks[i].phase] += part;
  }
}

} // namespace mrun
