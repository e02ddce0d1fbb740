// --inputs FILE|-: a JSON object of inputs, or one object a line.
#pragma once

#include <optional>
#include <string>

#include "common/error.h"
#include "common/fd.h"
#include "common/json.h"

namespace mrun::cli {

// Reads as lines are asked for, so that whoever writes to standard input sees each answered. Blank lines are
// skipped. One object over several lines is one input.
class InputLines {
 public:
  // Error input_file.
  static Result<InputLines> open(const std::string& path, int stdin_fd);

  // Whether next() has what it needs; else wait for `fd()` to be readable and fill().
  bool is_ready() const;
  int fd() const { return m_fd.get(); }
  Result<void> fill(); // reads once, and waits when nothing is there

  // The next object; nullopt at the end. Error input_file, beginning with the place: that line is no object;
  // the next one can still be asked for, unless it was too long (over 16 MiB).
  Result<std::optional<Json>> next();
  std::string place() const; // of the last: "inputs.jsonl:3"
  // To the start; false when it is a pipe.
  bool rewind();

 private:
  InputLines(std::string name, UniqueFd fd) : m_name(std::move(name)), m_fd(std::move(fd)) {}
  std::optional<std::string> take_line(); // nullopt: none is whole
  Result<std::optional<Json>> parse(const std::string& line);
  Result<std::optional<Json>> parse_whole(const std::string& line, Error of_line);

  std::string m_name;
  UniqueFd m_fd;
  std::string m_buffer;
  std::size_t m_line = 0;
  bool m_at_end = false;
  bool m_is_first = true;
};

} // namespace mrun::cli
