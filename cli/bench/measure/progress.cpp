#include "cli/bench/measure/progress.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::bench {
namespace {

constexpr std::chrono::milliseconds k_redraw{100};
constexpr double k_least_known = 0.02; // of the whole, before a time left is guessed

} // namespace

Progress::Progress(const cli::Context& context) : m_context(context), m_silent(context.quiet) {}

void Progress::begin(const std::string& name, double share) {
  m_before = std::min(1.0, m_before + m_share);
  m_share = share;
  m_name = name;
  m_next = {};
  if (!m_silent && !m_context.terminal.err_can_move())
    m_context.terminal.err(fmt::format("measuring: {}\n", name));
  tick(0);
}

void Progress::tick(double done, const std::string& detail) {
  if (m_silent || !m_context.terminal.err_can_move() || Clock::now() < m_next) return;
  m_next = Clock::now() + k_redraw;
  const double whole = std::clamp(m_before + m_share * std::clamp(done, 0.0, 1.0), 0.0, 1.0);
  std::string line = fmt::format("{:3.0f} %  {}", whole * 100, m_name);
  if (!detail.empty()) line += " · " + detail;
  if (whole > k_least_known) {
    const double elapsed_s = std::chrono::duration<double>(Clock::now() - m_start).count();
    line += fmt::format(" · {} left",
                        format_duration(static_cast<std::int64_t>(1e9 * elapsed_s * (1 - whole) / whole)));
  }
  m_context.terminal.status(line);
}

} // namespace mrun::bench
