#include "kernels/pool_normalize/pool_normalize.h"

#include <cmath>

namespace mrun::kernels {
namespace {

constexpr std::size_t k_columns = 64; // added up at once, in registers
constexpr std::size_t k_lanes = 32;   // partial sums of a norm

struct Rows {
  const float* in;
  std::size_t rows, width;
  float epsilon;
  float* out;
};

MRUN_INLINE float at_least(float value, float least) {
  return value > least || value != value ? value : least; // NaN stays
}

MRUN_INLINE float weight_of(const float* mask, std::size_t token) {
  return mask == nullptr ? 1.0f : mask[token];
}

MRUN_INLINE void pool_row(const float* in, const float* mask, std::size_t tokens, std::size_t width,
                          float* out) {
  float weight_sum = 0;
  for (std::size_t t = 0; t < tokens; ++t)
    weight_sum += weight_of(mask, t);
  const float divisor = at_least(weight_sum, 1e-9f);
  std::size_t begin = 0;
  for (; begin + k_columns <= width; begin += k_columns) {
    float sums[k_columns] = {};
    const float* from = in + begin;
    for (std::size_t t = 0; t < tokens; ++t, from += width) {
      const float weight = weight_of(mask, t);
      for (std::size_t i = 0; i < k_columns; ++i)
        sums[i] += from[i] * weight;
    }
    for (std::size_t i = 0; i < k_columns; ++i)
      out[begin + i] = sums[i] / divisor;
  }
  for (; begin < width; ++begin) {
    float sum = 0;
    for (std::size_t t = 0; t < tokens; ++t)
      sum += in[t * width + begin] * weight_of(mask, t);
    out[begin] = sum / divisor;
  }
}

MRUN_INLINE void normalize_row(const float* in, std::size_t width, float epsilon, float* out) {
  double sums[k_lanes] = {};
  std::size_t i = 0;
  for (; i + k_lanes <= width; i += k_lanes)
    for (std::size_t lane = 0; lane < k_lanes; ++lane)
      sums[lane] += static_cast<double>(in[i + lane]) * static_cast<double>(in[i + lane]);
  for (std::size_t lane = 0; i + lane < width; ++lane)
    sums[lane] += static_cast<double>(in[i + lane]) * static_cast<double>(in[i + lane]);
  for (std::size_t half = k_lanes / 2; half > 0; half /= 2)
    for (std::size_t lane = 0; lane < half; ++lane)
      sums[lane] += sums[lane + half];
  const float norm = at_least(static_cast<float>(std::sqrt(sums[0])), epsilon);
  for (i = 0; i < width; ++i)
    out[i] = in[i] / norm;
}

MRUN_INLINE void pool_body(const PoolArguments& a) {
  for (std::size_t b = 0; b < a.batch; ++b)
    pool_row(a.in + b * a.tokens * a.width, a.mask == nullptr ? nullptr : a.mask + b * a.tokens, a.tokens,
             a.width, a.out + b * a.width);
}

MRUN_INLINE void normalize_body(const Rows& a) {
  for (std::size_t r = 0; r < a.rows; ++r)
    normalize_row(a.in + r * a.width, a.width, a.epsilon, a.out + r * a.width);
}

struct PoolNormalize {
  PoolArguments pool;
  float epsilon;
};

MRUN_INLINE void pool_normalize_body(const PoolNormalize& a) {
  for (std::size_t b = 0; b < a.pool.batch; ++b) {
    PoolArguments row = a.pool;
    row.in += b * row.tokens * row.width;
    row.mask = row.mask == nullptr ? nullptr : row.mask + b * row.tokens;
    row.out += b * row.width;
    pool_row(row.in, row.mask, row.tokens, row.width, row.out);
    normalize_row(row.out, row.width, a.epsilon, row.out);
  }
}

MRUN_CPU_DISPATCH(pool_on, pool_body, PoolArguments)
MRUN_CPU_DISPATCH(normalize_on, normalize_body, Rows)
MRUN_CPU_DISPATCH(pool_normalize_on, pool_normalize_body, PoolNormalize)

} // namespace

void mean_pool(const PoolArguments& arguments, CpuIsa isa) {
  pool_on(isa, arguments);
}

void l2_normalize(const float* in, std::size_t rows, std::size_t width, float epsilon, float* out,
                  CpuIsa isa) {
  normalize_on(isa, {in, rows, width, epsilon, out});
}

void pool_normalize(const PoolArguments& arguments, float epsilon, CpuIsa isa) {
  pool_normalize_on(isa, {arguments, epsilon});
}

} // namespace mrun::kernels
