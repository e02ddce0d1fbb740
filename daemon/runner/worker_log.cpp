#include "daemon/runner/worker_log.h"

#include <algorithm>

#include <fcntl.h>
#include <fmt/format.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::size_t k_last_lines = 50;

} // namespace

void WorkerLog::append_bytes(std::string_view bytes, const std::function<void(std::string_view)>& on_line) {
  write(bytes);
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (!m_skips_rest) {
      m_partial.append(
          part.substr(0, k_max_log_line_bytes - std::min(k_max_log_line_bytes, m_partial.size())));
      if (m_partial.size() >= k_max_log_line_bytes) {
        take_line(m_partial, on_line);
        m_partial.clear();
        m_skips_rest = true;
      }
    }
    if (end == std::string_view::npos) return;
    if (!m_skips_rest) take_line(m_partial, on_line);
    m_partial.clear();
    m_skips_rest = false;
    bytes.remove_prefix(end + 1);
  }
}

void WorkerLog::flush(const std::function<void(std::string_view)>& on_line) {
  if (m_partial.empty()) return;
  take_line(m_partial, on_line);
  m_partial.clear();
}

void WorkerLog::append_line(std::string_view line) {
  const std::string cut(line.substr(0, k_max_log_line_bytes));
  write(cut + '\n');
  take_line(cut, nullptr);
}

void WorkerLog::append_text(std::string_view text) {
  for (const std::string_view line : split(trim(text), '\n'))
    append_line(line);
}

std::vector<std::string> WorkerLog::last_lines(std::uint64_t from) const {
  const std::uint64_t first = m_line_count - m_last.size(); // number of the oldest one that is kept
  const auto skipped = std::min<std::uint64_t>(from > first ? from - first : 0, m_last.size());
  return {m_last.begin() + static_cast<std::ptrdiff_t>(skipped), m_last.end()};
}

void WorkerLog::take_line(std::string_view line, const std::function<void(std::string_view)>& on_line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  const std::string text =
      is_valid_utf8(line) ? std::string(line) : printable(line, 4 * k_max_log_line_bytes);
  if (m_last.size() >= k_last_lines) m_last.pop_front();
  m_last.push_back(text);
  ++m_line_count;
  if (on_line) on_line(text);
}

void WorkerLog::write(std::string_view text) {
  if (m_gave_up || text.empty()) return;
  if (m_fd && m_size_bytes + text.size() > k_max_worker_log_bytes) {
    std::error_code ignored;
    std::filesystem::rename(m_file, m_file.string() + ".1", ignored);
    m_fd.reset();
    m_size_bytes = 0;
  }
  if (!m_fd) {
    m_fd.reset(
        ::open(m_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    m_was_written = m_was_written || m_fd;
  }
  if (!m_fd || !write_all(m_fd.get(), text, "the worker's log")) {
    m_gave_up = true;
    log_warn("the worker log {} can't be written", m_file.string());
  }
  m_size_bytes += text.size();
}

std::string worker_log_name(const std::string& model, std::int64_t wall_ns, int pid) {
  std::string time = rfc3339_utc(wall_ns).substr(0, 19); // to the second
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return fmt::format("{}-{}-{}.log", model, time, pid);
}

void prune_logs(const std::filesystem::path& folder, std::size_t keep, const std::set<std::string>& in_use) {
  std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> files;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed))
    if (const auto time = entry.last_write_time(failed); !failed && entry.is_regular_file(failed))
      files.emplace_back(time, entry.path());
  if (files.size() <= keep) return;
  std::ranges::sort(files, std::ranges::greater{});
  for (std::size_t i = keep; i < files.size(); ++i)
    if (!in_use.contains(files[i].second.string())) std::filesystem::remove(files[i].second, failed);
}

} // namespace mrun
