// Reading a step's options: typed, bounded, with the step's and the option's name in every error
// (manifest_step).
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/steps/step.h"

namespace mrun {

class OptionReader {
 public:
  // `known`: the options of this step beside `step`, `from` and `to`.
  OptionReader(std::string_view step, const StepOptions& options, std::vector<std::string> known)
      : m_step(step),
        m_options(options),
        m_known(std::move(known)) {}

  // Refuses options that are not known, suggesting the nearest. Call it first.
  Result<void> check_names() const;

  bool has(std::string_view key) const; // there and not null
  Result<std::string> text(std::string_view key, std::optional<std::string> fallback = {}) const;
  // One of `names`; gives its index.
  Result<std::size_t> choice(std::string_view key, std::initializer_list<std::string_view> names,
                             std::string_view fallback) const;
  Result<std::int64_t> integer(std::string_view key, std::int64_t low, std::int64_t high,
                               std::optional<std::int64_t> fallback = {}) const;
  Result<double> number(std::string_view key, double low, double high, double fallback) const;
  Result<bool> boolean(std::string_view key, bool fallback) const;
  // A list of numbers of that many entries (0: any number of them, at least one).
  Result<std::vector<double>> numbers(std::string_view key, std::size_t count) const;
  Result<std::vector<std::int64_t>> integers(std::string_view key) const;
  Result<DType> dtype(std::string_view key, std::string_view fallback) const;
  // An integer or `$input`, checked when it is literal; read it with option_integer when the step runs.
  Result<Json> integer_or_input(std::string_view key, std::int64_t low, std::int64_t high) const;

  // manifest_step: "step `resize`: …".
  tl::unexpected<Error> error(std::string message) const;

  const StepOptions& options() const { return m_options; }

 private:
  const Json* find(std::string_view key) const;

  std::string m_step;
  const StepOptions& m_options;
  std::vector<std::string> m_known;
};

// What a running step reads. Error prediction_failed, naming the value, what it is and what was expected,
// with the nearest name when there is no such value.
Result<const StepValue*> need_value(const Namespace& values, std::string_view name);
// Null when there is no such tensor.
const Tensor* find_tensor(const Namespace& values, std::string_view name);
Result<Tensor> need_tensor(const Namespace& values, std::string_view name);
// The same, converted to f32.
Result<Tensor> need_f32(const Namespace& values, std::string_view name);
// A file's bytes: an input file, a file made by a step, or an input given as text.
Result<std::string_view> need_bytes(const Namespace& values, std::string_view name);
Result<std::string_view> need_text(const Namespace& values, std::string_view name);

// `axis` counted from the front, for a tensor of that many axes; negative counts from the back.
Result<std::size_t> resolve_axis(std::int64_t axis, const Tensor& tensor);

} // namespace mrun
