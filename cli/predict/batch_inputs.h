// The inputs of several predictions: -n times the same, or one for each line of --inputs.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cli/predict/input_lines.h"
#include "cli/predict/request.h"
#include "cli/predict/run.h"

namespace mrun::cli {

struct BatchInput {
  Result<PreparedInput> input;
  std::string place; // "inputs.jsonl:3"; "3 of 5"
};

class BatchInputs {
 public:
  // -i holds for every line, and wins over it. Every line of a file is checked first (not with --keep-going),
  // so that nothing runs when one is wrong; what comes through a pipe is checked as it comes. `manifest`
  // outlives it. Errors: input_*, usage.
  static Result<BatchInputs> open(const Manifest& manifest, const PredictOptions& options);
  // Uploads what all have in common. Errors of the API.
  Result<void> upload(DaemonClient& client);
  // How many there are; nullopt for a pipe, whose end is not known.
  std::optional<std::size_t> count() const;

  // As InputLines.
  bool is_ready() const { return !m_lines || m_lines->is_ready(); }
  int fd() const { return m_lines ? m_lines->fd() : -1; }
  Result<void> fill() { return m_lines->fill(); }
  // nullopt at the end.
  std::optional<BatchInput> next();

 private:
  explicit BatchInputs(const Manifest& manifest) : m_manifest(&manifest) {}
  Json with_common(Json line) const;
  Result<void> check_lines(bool keep_going);

  const Manifest* m_manifest;
  // That files of lines lie in. None for standard input: who writes there can't make us read a file.
  std::optional<std::filesystem::path> m_folder;
  std::optional<InputLines> m_lines;
  std::optional<std::size_t> m_line_count;
  PreparedInput m_same; // what all have in common: without lines, the whole input
  std::size_t m_total = 0, m_given = 0;
};

} // namespace mrun::cli
