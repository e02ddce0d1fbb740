#include "cli/predict/batch_inputs.h"

#include <fmt/format.h>
#include <unistd.h>

namespace mrun::cli {
namespace {

// What -i need not bring, since lines do.
Manifest with_optional_inputs(Manifest manifest) {
  for (InputSpec& input : manifest.inputs)
    input.optional = input.optional || !input.default_value;
  return manifest;
}

} // namespace

Result<BatchInputs> BatchInputs::open(const Manifest& manifest, const PredictOptions& options) {
  BatchInputs inputs(manifest);
  const bool has_lines = !options.inputs_file.empty();
  if (!has_lines) {
    MRUN_ASSIGN(Json input, typed_input(manifest, options.inputs));
    MRUN_ASSIGN(inputs.m_same, prepare_input(manifest, std::move(input)));
    inputs.m_total = static_cast<std::size_t>(options.count);
    return inputs;
  }
  MRUN_ASSIGN(Json common,
              typed_input(with_optional_inputs(manifest), options.inputs, options.inputs_file == "-"));
  // A file that all have in common is read once.
  MRUN_ASSIGN(std::vector<InputFile> files, open_input_files(manifest, common, STDIN_FILENO));
  inputs.m_same = {std::move(common), std::move(files)};
  if (options.inputs_file != "-") inputs.m_folder = std::filesystem::path(options.inputs_file).parent_path();
  MRUN_ASSIGN(inputs.m_lines, InputLines::open(options.inputs_file, STDIN_FILENO));
  MRUN_TRY(inputs.check_lines(options.keep_going));
  return inputs;
}

Result<void> BatchInputs::check_lines(bool keep_going) {
  if (!m_lines->rewind()) return {};
  std::size_t count = 0;
  while (true) {
    Result<std::optional<Json>> line = m_lines->next();
    if (line && !*line) break;
    ++count;
    if (keep_going) continue;
    MRUN_TRY(line);
    const Json input = with_placeholders(with_common(std::move(**line)), m_same.files);
    if (Result<void> checked = check_unopened(*m_manifest, input); !checked)
      return tl::unexpected<Error>(
          std::move(checked.error()).with_note(fmt::format("the input at {}", m_lines->place())));
  }
  if (count == 0) return fail(ErrorCode::input_file, "the file of --inputs has no input in it");
  m_line_count = count;
  m_lines->rewind();
  return {};
}

Result<void> BatchInputs::upload(DaemonClient& client) {
  MRUN_TRY(upload_input_files(client, m_same.files, m_same.input));
  m_same.files.clear();
  return {};
}

std::optional<std::size_t> BatchInputs::count() const {
  return m_lines ? m_line_count : std::optional(m_total);
}

Json BatchInputs::with_common(Json line) const {
  Json input = m_folder ? with_file_arguments(*m_manifest, std::move(line), *m_folder) : std::move(line);
  for (const auto& [key, value] : m_same.input.items())
    input[key] = value;
  return input;
}

std::optional<BatchInput> BatchInputs::next() {
  if (!m_lines) {
    if (m_given == m_total) return std::nullopt;
    ++m_given;
    return BatchInput{PreparedInput{m_same.input, {}}, fmt::format("{} of {}", m_given, m_total)};
  }
  Result<std::optional<Json>> line = m_lines->next();
  if (!line) return BatchInput{tl::unexpected<Error>(std::move(line).error()), m_lines->place()};
  if (!*line) return std::nullopt;
  return BatchInput{prepare_input(*m_manifest, with_common(std::move(**line))), m_lines->place()};
}

} // namespace mrun::cli
