// The lines that a program and mrun exchange, each one JSON object (docs/formats/process.md). What a program
// says is untrusted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/json.h"
#include "common/limits.h"

namespace mrun::process {

// As much JSON and text as one prediction may give, and what is around it.
inline constexpr std::size_t k_max_line_bytes = k_max_output_bytes + 64 * k_kib;

enum class Say : std::uint8_t { ready, refused, output, text, file, log, metric, done };
enum class End : std::uint8_t { succeeded, failed, canceled };

struct Line {
  Say what = Say::ready;
  std::optional<std::uint64_t> id; // of the prediction; none for `ready`, `refused` and the program's own log
  std::string text;           // text, log line, file's path, metric's name, or the error of an end or refusal
  std::string media_type;     // of a file; "" when it did not say
  std::string level = "info"; // of a log line: error, warn, info or debug
  Json value;                 // of an output
  double number = 0;          // of a metric
  End end = End::succeeded;
};

// One line without its newline. Error prediction_failed, in words for the program's author.
Result<Line> parse_line(std::string_view text);

// What the program reads; each ends with a newline. `folder`: where this prediction's files are and may be
// written.
std::string predict_line(std::uint64_t id, const Json& input, const std::string& folder);
std::string cancel_line(std::uint64_t id);

} // namespace mrun::process
