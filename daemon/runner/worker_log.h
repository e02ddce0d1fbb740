// What a worker writes to its standard output and error: lines for the log file and the last ones in memory.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/fd.h"

namespace mrun {

class WorkerLog {
 public:
  // The file is made with the first line; at k_max_worker_log_bytes it becomes FILE.1 (replacing the one
  // before) and a new one begins. A log that can't be written is no reason to fail anything: the lines in
  // memory stay.
  explicit WorkerLog(std::filesystem::path file) : m_file(std::move(file)) {}

  // Raw output; calls `on_line` for each line that is complete. Lines are cut at k_max_log_line_bytes.
  void append_bytes(std::string_view bytes, const std::function<void(std::string_view)>& on_line);
  // What is left without a line end.
  void flush(const std::function<void(std::string_view)>& on_line);
  // One line of another origin (a log frame).
  void append_line(std::string_view line);
  void append_text(std::string_view text); // line by line

  std::string path() const { return m_was_written ? m_file.string() : std::string(); }
  // Lines so far: where what comes next begins.
  std::uint64_t line_count() const { return m_line_count; }
  // The newest, at most 50, and none before line `from`.
  std::vector<std::string> last_lines(std::uint64_t from = 0) const;

 private:
  void take_line(std::string_view line, const std::function<void(std::string_view)>& on_line);
  void write(std::string_view text);

  std::filesystem::path m_file;
  UniqueFd m_fd;
  bool m_was_written = false;
  bool m_gave_up = false;
  std::uint64_t m_size_bytes = 0;
  std::string m_partial;
  bool m_skips_rest = false; // of a line that was cut
  std::deque<std::string> m_last;
  std::uint64_t m_line_count = 0;
};

// "acme-gist-20261124T204419-4711.log": with the time (UTC), as a process id is used again one day.
std::string worker_log_name(const std::string& model, std::int64_t wall_ns, int pid);
// Keeps the newest `keep` log files of a folder, and those of workers that live.
void prune_logs(const std::filesystem::path& folder, std::size_t keep, const std::set<std::string>& in_use);

} // namespace mrun
