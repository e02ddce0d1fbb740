// Where a prediction's output goes: text streamed to standard output, JSON printed, files saved.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/context.h"
#include "cli/predict/file_saver.h"
#include "common/error.h"
#include "common/json.h"
#include "daemon/api/prediction.h"
#include "packager/manifest.h"

namespace mrun::cli {

using ByteSink = std::function<Result<void>(std::string_view)>;
// Gives the bytes of output file `index` to the sink.
using FetchOutput = std::function<Result<void>(const FileMark& file, const ByteSink& sink)>;

struct OutputOptions {
  std::string target;   // -o: "" = the default, "-" = raw to standard output, else a path or pattern
  bool replace = false; // -f
  // Which of several predictions, from 0: then it is %{index}, and outputs of one are told apart as 3-0, 3-1.
  std::optional<std::size_t> number = std::nullopt;
};

// Of several predictions each needs a name of its own for its output. Error usage.
Result<void> check_target_of_many(const OutputOptions& options);
// That the first output of a model with that output has a place, as far as its name is known before anything
// runs: %{ext} is when the output holds no file, %{index} of one of several predictions when it is one value.
// Errors: output_exists, usage.
Result<void> check_known_target(const TypeSpec& output, const OutputOptions& options);

class OutputSink {
 public:
  // Checks the target before anything runs; that of one of several predictions only in part
  // (check_known_target() does the rest). Errors: output_exists, terminal_refused, usage, io.
  static Result<OutputSink> create(Context& context, const TypeSpec& output, OutputOptions options);

  // One output value; a text chunk is passed on at once.
  Result<void> value(const Json& value);
  // After success: prints and saves what is left.
  Result<void> finish(const FetchOutput& fetch);
  // After a failure: ends a started line. A file that is not whole is not kept. It may be used again.
  void abandon();
  // Whether anybody may have seen some of it.
  bool has_shown() const { return m_has_shown; }

 private:
  OutputSink(Context& context, const TypeSpec& output, OutputOptions options)
      : m_context(context),
        m_output(output),
        m_options(std::move(options)) {}

  bool to_file() const { return !m_options.target.empty() && m_options.target != "-"; }
  bool raw() const { return m_options.target == "-"; }
  Result<void> text_chunk(const std::string& text);
  Result<void> show(std::string_view text);
  Result<void> emit(const Json& value, const FetchOutput& fetch);
  Result<void> emit_text(const std::string& text);
  Result<void> emit_file(const FileMark& file, const FetchOutput& fetch);
  // Saves every file inside and puts its path in its place.
  Result<Json> with_saved_files(const Json& value, const FetchOutput& fetch);
  Result<std::filesystem::path> save(const FileMark& file, const FetchOutput& fetch);
  // Makes the folder that it lies in.
  Result<std::filesystem::path> next_target(std::string_view extension);

  Context& m_context;
  const TypeSpec& m_output;
  OutputOptions m_options;
  std::vector<Json> m_values;            // not yet shown
  std::optional<AtomicFile> m_text_file; // streamed text with -o FILE
  bool m_line_open = false;
  bool m_target_used = false;
  bool m_has_shown = false;
  std::size_t m_count = 0; // of outputs that are still to come, with this one
  std::size_t m_place = 0; // of an output among them
};

} // namespace mrun::cli
