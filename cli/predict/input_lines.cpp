#include "cli/predict/input_lines.h"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_read_bytes = 64 * k_kib;
constexpr std::string_view k_byte_order_mark = "\xEF\xBB\xBF";
constexpr const char* k_hint = "write one JSON object of inputs a line, as {\"text\": \"hello\"}";

} // namespace

Result<InputLines> InputLines::open(const std::string& path, int stdin_fd) {
  const bool is_stdin = path == "-";
  UniqueFd fd(is_stdin ? ::fcntl(stdin_fd, F_DUPFD_CLOEXEC, 3) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(ErrorCode::input_file, errno, fmt::format("can't open {}", printable(path)));
  return InputLines(is_stdin ? "standard input" : printable(path), std::move(fd));
}

bool InputLines::is_ready() const {
  return m_at_end || m_buffer.find('\n') != std::string::npos || m_buffer.size() > k_max_body_bytes;
}

Result<void> InputLines::fill() {
  std::string bytes(k_read_bytes, '\0');
  ssize_t got = -1;
  do
    got = ::read(m_fd.get(), bytes.data(), bytes.size());
  while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno(ErrorCode::input_file, errno, fmt::format("can't read {}", m_name));
  m_at_end = got == 0;
  m_buffer.append(bytes, 0, static_cast<std::size_t>(got));
  return {};
}

std::optional<std::string> InputLines::take_line() {
  const std::size_t end = m_buffer.find('\n');
  if (end == std::string::npos && (!m_at_end || m_buffer.empty())) return std::nullopt;
  std::string line = m_buffer.substr(0, end);
  m_buffer.erase(0, end == std::string::npos ? end : end + 1);
  ++m_line;
  if (m_line == 1 && line.starts_with(k_byte_order_mark)) line.erase(0, k_byte_order_mark.size());
  return line;
}

Result<std::optional<Json>> InputLines::next() {
  while (true) {
    while (!is_ready())
      MRUN_TRY(fill());
    if (m_buffer.size() > k_max_body_bytes && m_buffer.find('\n') > k_max_body_bytes) {
      m_buffer.clear();
      m_at_end = true;
      return fail(ErrorCode::input_file, fmt::format("{}:{}: the line has over {}", m_name, m_line + 1,
                                                     format_bytes(k_max_body_bytes)));
    }
    const std::optional<std::string> line = take_line();
    if (!line && m_at_end) return std::nullopt;
    if (line && !trim(*line).empty()) return parse(*line);
  }
}

Result<std::optional<Json>> InputLines::parse(const std::string& line) {
  const bool is_first = std::exchange(m_is_first, false);
  Result<Json> value = parse_json(line, ErrorCode::input_file, place());
  if (!value && is_first) return parse_whole(line, std::move(value).error());
  if (value && value->is_object()) return std::move(*value);
  if (!value && value.error().hint.empty()) value.error().hint = k_hint;
  MRUN_TRY(value);
  return fail(ErrorCode::input_file, fmt::format("{}: is not an object of inputs", place()), k_hint);
}

// The first line alone is no JSON: the whole may be one object. If not, lines are what was meant.
Result<std::optional<Json>> InputLines::parse_whole(const std::string& line, Error of_line) {
  while (!m_at_end && m_buffer.size() < k_max_body_bytes)
    MRUN_TRY(fill());
  Result<Json> value = parse_json(line + "\n" + m_buffer, ErrorCode::input_file, m_name);
  if (!value || !value->is_object()) {
    of_line.hint = k_hint;
    return tl::unexpected<Error>(std::move(of_line));
  }
  m_buffer.clear();
  return std::move(*value);
}

std::string InputLines::place() const {
  return fmt::format("{}:{}", m_name, m_line);
}

bool InputLines::rewind() {
  if (::lseek(m_fd.get(), 0, SEEK_SET) < 0) return false;
  m_buffer.clear();
  m_line = 0;
  m_at_end = false;
  m_is_first = true;
  return true;
}

} // namespace mrun::cli
