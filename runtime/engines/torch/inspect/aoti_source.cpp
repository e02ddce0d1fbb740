#include "runtime/engines/torch/inspect/aoti_source.h"

#include <charconv>
#include <numeric>

#include "common/text.h"
#include "runtime/engines/torch/pytree.h"

namespace mrun::torch_engine {
namespace {

// What stands between the first `begin` and the next `end`.
std::optional<std::string_view> between(std::string_view text, std::string_view begin, std::string_view end) {
  const std::size_t at = text.find(begin);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + begin.size());
  const std::size_t stop = text.find(end);
  if (stop == std::string_view::npos) return std::nullopt;
  return text.substr(0, stop);
}

std::optional<std::size_t> number(std::string_view text) {
  text = trim(text);
  std::size_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Numbers of the graph's inputs that are tensors, weights counted before them: `inputs_info_[1].name =
// "arg6_1"`.
std::vector<std::size_t> graph_numbers(std::string_view text, std::size_t count) {
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < count; ++i) {
    const auto name = between(text, "inputs_info_[" + std::to_string(i) + "].name = \"arg", "_1\"");
    const auto value = name ? number(*name) : std::nullopt;
    if (!value || (!numbers.empty() && *value <= numbers.back())) return {};
    numbers.push_back(*value);
  }
  return numbers;
}

// Which of `leaves` arguments the code takes. Their distances are known; that the first of them is the first
// of all is a guess, and right for most models.
std::vector<std::size_t> tensor_positions(std::string_view text, std::size_t count, std::size_t leaves) {
  std::vector<std::size_t> positions(count);
  std::iota(positions.begin(), positions.end(), std::size_t{0});
  if (count == leaves) return positions;
  const std::vector<std::size_t> numbers = graph_numbers(text, count);
  if (numbers.empty() || numbers.back() - numbers.front() >= leaves) return {};
  for (std::size_t i = 0; i < count; ++i)
    positions[i] = numbers[i] - numbers.front();
  return positions;
}

} // namespace

std::optional<AotiSource> read_aoti_source(std::string_view text) {
  const auto base = between(text, ": AOTInductorModelBase(", ") {");
  const auto spec = between(text, "in_spec_ = R\"(", ")\";");
  if (!base || !spec) return std::nullopt;
  const std::vector<std::string_view> arguments = split(*base, ',');
  const auto count = number(arguments.front());
  auto paths = input_paths(*spec, {}, {});
  if (!count || !paths || *count > paths->size()) return std::nullopt;
  AotiSource source;
  source.has_weights = trim(arguments.back()) != "false";
  source.inputs = tensor_positions(text, *count, paths->size());
  source.paths = std::move(*paths);
  return source;
}

} // namespace mrun::torch_engine
