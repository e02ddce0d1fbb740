// The mean of the token vectors that a mask keeps, to unit length: sentence-transformers' mean pooling and
// torch.nn.functional.normalize(p=2, dim=-1), each alone or both in one pass.
//
// Every version gives the same bits: per column the tokens are added in f32 in their order; a norm is the f32
// of the square root of a sum in double, taken as 32 partial sums (element i belongs to sum i mod 32, in
// order), which are then added in halves (16 + 16, 8 + 8, …).
#pragma once

#include <cstddef>

#include "kernels/cpu_dispatch.h"

namespace mrun::kernels {

inline constexpr float k_normalize_epsilon = 1e-12f; // torch.nn.functional.normalize

// in: f32 [batch, tokens, width]; mask: f32 [batch, tokens], or null for all ones; out: f32 [batch, width],
// not overlapping `in`.
struct PoolArguments {
  const float* in = nullptr;
  const float* mask = nullptr;
  std::size_t batch = 0, tokens = 0, width = 0;
  float* out = nullptr;
};

// out = sum of mask x in, divided by max(sum of mask, 1e-9). No tokens, or all masked: zeros. A NaN or an
// infinity counts even where it is masked (0 x inf is NaN), as in torch.
void mean_pool(const PoolArguments& arguments, CpuIsa isa = best_cpu_isa());

// in, out: f32 [rows, width]; out may be in. out = in / max(norm, epsilon).
void l2_normalize(const float* in, std::size_t rows, std::size_t width, float epsilon, float* out,
                  CpuIsa isa = best_cpu_isa());

// Both; `out` is written once.
void pool_normalize(const PoolArguments& arguments, float epsilon, CpuIsa isa = best_cpu_isa());

// The definition, in plain C++.
void pool_normalize_reference(const PoolArguments& arguments, float epsilon);

} // namespace mrun::kernels
