#include "cli/remote/transfer_line.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/clock.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::chrono::seconds k_plain_interval{10};
constexpr std::int64_t k_sample_ns = 500'000'000;
constexpr double k_weight_of_new = 0.3;
constexpr int k_most_cells = 20, k_least_cells = 8;
constexpr int k_text_columns = 66; // "pulling [] 1023.9 MiB of 1023.9 MiB, 1023.9 MiB/s, 999.9 min left"

std::string bytes_text(const TransferProgress& progress, double bytes_per_second) {
  std::string text = format_bytes(progress.done_bytes);
  const bool has_end = progress.total_bytes > 0;
  if (has_end) text += " of " + format_bytes(progress.total_bytes);
  if (bytes_per_second < 1) return text;
  if (!has_end)
    return text + fmt::format(", {}/s", format_bytes(static_cast<std::uint64_t>(bytes_per_second)));
  const auto left_bytes =
      static_cast<double>(progress.total_bytes - std::min(progress.done_bytes, progress.total_bytes));
  if (left_bytes == 0) return text;
  return text + fmt::format(", {}/s, {} left", format_bytes(static_cast<std::uint64_t>(bytes_per_second)),
                            format_duration(static_cast<std::int64_t>(left_bytes / bytes_per_second * 1e9)));
}

} // namespace

std::string transfer_bar(const TransferProgress& progress, int columns) {
  const int cells = std::min(columns - k_text_columns, k_most_cells);
  if (progress.total_bytes == 0 || cells < k_least_cells) return {};
  const double share = static_cast<double>(progress.done_bytes) / static_cast<double>(progress.total_bytes);
  const auto full = static_cast<std::size_t>(std::min(share, 1.0) * cells);
  return fmt::format("[{}{}] ", std::string(full, '#'),
                     std::string(static_cast<std::size_t>(cells) - full, '-'));
}

std::string transfer_text(const TransferProgress& progress, double bytes_per_second) {
  return bytes_text(progress, bytes_per_second) + (progress.in_trouble ? ", trying again" : "");
}

void TransferRate::take(std::int64_t now_ns, std::uint64_t moved_bytes) {
  if (now_ns - m_last_ns < k_sample_ns) return;
  const double seconds = static_cast<double>(now_ns - m_last_ns) / 1e9;
  const double rate = static_cast<double>(moved_bytes - std::min(m_last_bytes, moved_bytes)) / seconds;
  m_rate = m_rate == 0 ? rate : m_rate + k_weight_of_new * (rate - m_rate);
  m_last_ns = now_ns;
  m_last_bytes = moved_bytes;
}

TransferLine::TransferLine(const Context& context, std::string verb)
    : m_context(context),
      m_verb(std::move(verb)),
      m_is_live(context.terminal.err_can_move()),
      m_silent(context.quiet || context.json),
      m_next(std::chrono::steady_clock::now() + k_plain_interval),
      m_rate(system_clock().monotonic_ns()) {}

void TransferLine::show(const TransferProgress& progress) {
  if (m_silent) return;
  const Time now = std::chrono::steady_clock::now();
  m_rate.take(system_clock().monotonic_ns(), progress.moved_bytes);
  const std::string text = transfer_text(progress, m_rate.bytes_per_second());
  if (m_is_live) {
    m_context.terminal.status(
        fmt::format("{} {}{}", m_verb, transfer_bar(progress, m_context.terminal.err_width()), text));
  } else if (now >= m_next) {
    m_context.say(fmt::format("{} {}", m_verb, text));
    m_next = now + k_plain_interval;
  }
}

} // namespace mrun::cli
