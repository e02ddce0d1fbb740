// Pre and post steps of the manifest: small operations over one namespace of named values.
//
// Names: the inputs' own names, `in.*` (what the graph gets), `out.*` (what the graph gave, by pytree path),
// temporaries, and `output`. `from` defaults to the previous step's `to`. The batch axis is added before the
// graph and dropped after the post steps. `$name` as an option's value is the value of that input. One step
// is one file under runtime/steps/, joined by one line mrun_add_step(name) of CMake. docs/formats/steps.md
// describes each step's options, types and errors.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/error.h"
#include "common/json.h"
#include "runtime/media/tensor.h"

namespace mrun {

// Bytes of an input file or of a bundle file, with its name.
struct FileBytes {
  std::string name;
  std::string_view bytes; // owned by the file door or the frame; valid while the prediction runs
};

// A file that a step or the predictor made.
struct MadeFile {
  std::string media_type; // image/png
  std::string bytes;
};

using StepValue = std::variant<Json, Tensor, FileBytes, MadeFile>;
using Namespace = std::map<std::string, StepValue, std::less<>>;

// How a step reads a file of the bundle (labels, tokenizer), and where it may keep what it derives from it.
class StepFiles {
 public:
  virtual ~StepFiles() = default;
  // The whole file, mapped; valid until unload. Error load_failed when the bundle has no such file.
  virtual Result<std::string_view> bundle_file(std::string_view path) = 0;
  // A folder for what is derived from this bundle only; -1 when there is none.
  virtual int cache_dir_fd() const = 0;
};

// What a running step may see and say.
struct StepContext {
  Namespace& values;
  std::map<std::string, double, std::less<>>& metrics; // e.g. truncated_tokens
};

// Several steps in a row done at once by one kernel, with the same result to the last bit. It refers to the
// steps.
class FusedStep {
 public:
  virtual ~FusedStep() = default;
  // Writes what the last of the steps would write, and nothing else. False: it declines, and nothing has
  // happened; the steps then run one by one, which gives the result or the error of the step at fault.
  // Errors: out_of_memory, output_limit.
  virtual Result<bool> run(StepContext& context) const = 0;
};

// A step set up for one model: immutable, called from several prediction threads at once.
class Step {
 public:
  virtual ~Step() = default;
  // This step together with the ones that come right before it, each of which reads what the one before
  // wrote; null when there is no kernel for that. `before` is not empty.
  virtual std::unique_ptr<FusedStep> fuse(std::span<const Step* const> before) const;
  // Reads and writes `context.values`. Errors: prediction_failed, input_file (an input can't be decoded),
  // input_length (too many tokens with `overflow: error`), output_limit.
  virtual Result<void> run(StepContext& context) const = 0;
};

// The options of one step: its manifest object, with `from` already filled in.
struct StepOptions {
  const Json& options;
  std::string from; // resolved `from`
  std::string to;   // resolved `to` (a temporary name when the manifest gives none)
};

// One row of the generated table.
struct StepRow {
  std::string_view name;
  // Checks the options (unknown keys included) and prepares what the step needs once per model.
  // Error manifest_step names the step and the option.
  Result<std::unique_ptr<Step>> (*make)(const StepOptions& options, StepFiles& files);
};

std::span<const StepRow> step_rows();
const StepRow* find_step(std::string_view name);

// `$name` and literal integers alike: the integer that an option means for this prediction.
Result<std::int64_t> option_integer(const Json& option, const Namespace& values, std::string_view step,
                                    std::string_view key);

// A list of steps, set up.
class Pipeline {
 public:
  // `steps`: the manifest's pre or post array (JSON). `first_from` is what the first step reads by default.
  // `read_later`: JSON whose strings name values that someone reads after the run, such as the post array;
  // other temporaries may not be there, since steps are fused where nobody sees what is between them.
  static Result<Pipeline> make(const Json& steps, StepFiles& files, std::string first_from,
                               const Json& read_later = Json());
  Result<void> run(StepContext& context) const; // errors carry a note naming the step's number and name
  bool empty() const { return m_steps.empty(); }
  // How many fused steps there are.
  std::size_t fused_count() const;

 private:
  struct Entry {
    std::string name;
    std::unique_ptr<Step> step;
    std::string from, to;
    std::unique_ptr<FusedStep> fused = nullptr; // of this one and the next `fused_steps` - 1
    std::size_t fused_steps = 0;
  };
  void fuse(const Json& steps, const Json& read_later);

  std::vector<Entry> m_steps;
};

} // namespace mrun
