// exp(x - max) / sum along an axis, and the k largest of a row: each alone or both in one pass, which
// computes k quotients instead of all.
//
// Every version gives the same bits (exponential.h). A row of only -inf, or with NaN or +inf, gives NaN
// everywhere, as torch.softmax. Largest first; equal values come in the order of their indices, NaN comes
// last.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu_dispatch.h"

namespace mrun::kernels {

// in, out: f32 [outer, size, inner]; the axis of `size` sums to 1; out may be in.
void softmax(const float* in, std::size_t outer, std::size_t size, std::size_t inner, float* out,
             CpuIsa isa = best_cpu_isa());

// in: f32 [count]; indices: i64 [k], k <= count.
void top_k(const float* in, std::size_t count, std::size_t k, std::int64_t* indices,
           CpuIsa isa = best_cpu_isa());

// in: f32 [rows, width]; indices: i64 [rows, k], scores: f32 [rows, k], k <= width: what top_k finds in each
// row's softmax.
struct SoftmaxTopKArguments {
  const float* in = nullptr;
  std::size_t rows = 0, width = 0, k = 0;
  std::int64_t* indices = nullptr;
  float* scores = nullptr;
};
void softmax_top_k(const SoftmaxTopKArguments& arguments, CpuIsa isa = best_cpu_isa());

// The definition, in plain C++: all probabilities, sorted.
void softmax_top_k_reference(const SoftmaxTopKArguments& arguments);

} // namespace mrun::kernels
