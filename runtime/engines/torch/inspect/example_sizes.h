// An example of what a program takes: sizes for its symbols within their ranges, so that its guards hold.
#pragma once

#include "runtime/engines/torch/inspect/size_expression.h"
#include "runtime/engines/torch/program.h"

namespace mrun::torch_engine {

// What stands for a number input in guards and examples.
inline constexpr std::int64_t k_example_number = 3;

// Small ones; when no guess satisfies every guard, the first guess.
Sizes example_sizes(const Program& program);

// nullopt: a size that can't be computed, or is negative.
std::optional<std::vector<std::int64_t>> shape_at(const TensorMeta& meta, const Sizes& sizes);

} // namespace mrun::torch_engine
