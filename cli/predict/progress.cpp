#include "cli/predict/progress.h"

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::chrono::milliseconds k_quiet_time{300};
constexpr std::chrono::milliseconds k_redraw{100};

struct PhaseWords {
  std::string_view phase;
  std::string_view words;
};
constexpr PhaseWords k_words[] = {
    {"queue", "waiting"},
    {"fetch", "preparing files"},
    {"spawn", "starting a worker"},
    {"import", "loading the engine"},
    {"map", "reading weights"},
    {"build", "building the model"},
    {"copy", "copying to the device"},
    {"warmup", "warming up"},
    {"predict", "running"},
    {"other", "working"},
};

} // namespace

std::string_view phase_words(std::string_view phase) {
  for (const PhaseWords& row : k_words)
    if (row.phase == phase) return row.words;
  return phase;
}

LoadProgress::LoadProgress(const Context& context, std::string model, Time now)
    : m_context(context),
      m_model(std::move(model)),
      m_start(now),
      m_next(now + k_quiet_time),
      m_silent(context.quiet || context.json) {}

void LoadProgress::phase(std::string_view name, Time now) {
  m_phase = printable(name, 40);
  if (now >= m_start + k_quiet_time) tick(now);
}

LoadProgress::Time LoadProgress::next_tick() const {
  return m_silent || m_phase.empty() ? Time::max() : m_next;
}

void LoadProgress::tick(Time now) {
  if (m_silent || m_phase.empty()) return;
  if (now >= m_start + k_quiet_time) draw(now);
  m_next = m_context.terminal.err_can_move() ? now + k_redraw : Time::max();
  if (now < m_start + k_quiet_time) m_next = m_start + k_quiet_time;
}

void LoadProgress::draw(Time now) {
  const auto elapsed = std::chrono::duration_cast<std::chrono::nanoseconds>(now - m_start).count();
  if (!m_context.terminal.err_can_move()) {
    if (m_shown_phases.insert(m_phase).second)
      m_context.terminal.err(fmt::format("loading {}: {} ({})\n", m_model, phase_words(m_phase), m_phase));
    return;
  }
  m_context.terminal.status(
      fmt::format("loading {}: {} · {}", m_model, phase_words(m_phase), format_duration(elapsed)));
}

void LoadProgress::clear() {
  m_context.terminal.clear_status();
  m_silent = true;
}

} // namespace mrun::cli
