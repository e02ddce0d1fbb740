#include "kernels/softmax_top_k/softmax_top_k.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "kernels/softmax_top_k/exponential.h"

namespace mrun::kernels {
namespace {

constexpr std::size_t k_lanes = 32;
constexpr float k_nan = std::numeric_limits<float>::quiet_NaN();

// ---- exponentials of a row
// ----------------------------------------------------------------------------------

struct Exponentials {
  const float* in;
  std::size_t count;
  float* out;    // exp(in - max)
  double* total; // their sum; NaN where every probability is
};

// The largest value; NaN when there is a NaN.
MRUN_INLINE float largest_of(const float* in, std::size_t count) {
  float largest[k_lanes];
  std::int32_t odd[k_lanes] = {}; // NaN seen
  for (float& value : largest)
    value = -std::numeric_limits<float>::infinity();
  std::size_t i = 0;
  for (; i + k_lanes <= count; i += k_lanes)
    for (std::size_t lane = 0; lane < k_lanes; ++lane) {
      const float value = in[i + lane];
      largest[lane] = value > largest[lane] ? value : largest[lane];
      odd[lane] |= value != value ? 1 : 0;
    }
  for (; i < count; ++i) {
    largest[0] = in[i] > largest[0] ? in[i] : largest[0];
    odd[0] |= in[i] != in[i] ? 1 : 0;
  }
  for (std::size_t lane = 1; lane < k_lanes; ++lane) {
    largest[0] = largest[lane] > largest[0] ? largest[lane] : largest[0];
    odd[0] |= odd[lane];
  }
  return odd[0] != 0 ? k_nan : largest[0];
}

MRUN_INLINE void exponentials_body(const Exponentials& a) {
  const float largest = largest_of(a.in, a.count);
  if (!std::isfinite(largest)) {
    *a.total = static_cast<double>(k_nan);
    for (std::size_t i = 0; i < a.count; ++i)
      a.out[i] = 0;
    return;
  }
  const double scale = sum_scale(a.count);
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < a.count; ++i) {
    const float value = exp_of_negative(a.in[i] - largest);
    a.out[i] = value;
    sum += fixed_point(value, scale);
  }
  *a.total = static_cast<double>(sum) / scale;
}
MRUN_CPU_DISPATCH(exponentials, exponentials_body, Exponentials)

struct Quotients {
  float* values;
  std::size_t count;
  double total;
};
MRUN_INLINE void quotients_body(const Quotients& a) {
  for (std::size_t i = 0; i < a.count; ++i)
    a.values[i] = probability(a.values[i], a.total);
}
MRUN_CPU_DISPATCH(quotients, quotients_body, Quotients)

// ---- selection
// ----------------------------------------------------------------------------------------------

struct Search {
  const float* values;
  std::size_t begin, count;
  float least;
  std::size_t* found;
};

// The first index from `begin` whose value is above `least`; `count` when there is none.
MRUN_INLINE void next_above_body(const Search& a) {
  constexpr std::size_t block = 64;
  std::size_t i = a.begin;
  for (; i + block <= a.count; i += block) {
    std::int32_t any = 0;
    for (std::size_t lane = 0; lane < block; ++lane)
      any |= a.values[i + lane] > a.least ? 1 : 0;
    if (any != 0) break;
  }
  while (i < a.count && !(a.values[i] > a.least))
    ++i;
  *a.found = i;
}
MRUN_CPU_DISPATCH(next_above_on, next_above_body, Search)

struct Candidate {
  float value; // what is ranked
  float raw;   // what the search compares; grows with `value`
  std::int64_t index;
};

// NaN comes last, equal values by index.
bool before(const Candidate& a, const Candidate& b) {
  const bool a_nan = std::isnan(a.value), b_nan = std::isnan(b.value);
  if (a_nan != b_nan) return b_nan;
  if (!a_nan && a.value != b.value) return a.value > b.value;
  return a.index < b.index;
}

// The k best of `values`, ranked by rank(value), which must grow with it; best first.
template<class Rank>
std::vector<Candidate> select(const float* values, std::size_t count, std::size_t k, CpuIsa isa, Rank rank) {
  std::vector<Candidate> heap; // the worst in front
  if (k == 0) return heap;
  heap.reserve(k + 1);
  std::size_t i = 0;
  for (; i < k; ++i)
    heap.push_back({rank(values[i]), values[i], static_cast<std::int64_t>(i)});
  std::make_heap(heap.begin(), heap.end(), before);
  while (i < count) {
    // An equal value comes later, so it is not better; while the worst is NaN, any number is.
    if (!std::isnan(heap.front().value)) next_above_on(isa, {values, i, count, heap.front().raw, &i});
    if (i == count) break;
    const Candidate candidate{rank(values[i]), values[i], static_cast<std::int64_t>(i)};
    ++i;
    if (!before(candidate, heap.front())) continue;
    std::pop_heap(heap.begin(), heap.end(), before);
    heap.back() = candidate;
    std::push_heap(heap.begin(), heap.end(), before);
  }
  std::sort_heap(heap.begin(), heap.end(), before);
  return heap;
}

void softmax_row(const float* in, std::size_t count, float* out, CpuIsa isa) {
  double total = 0;
  exponentials(isa, {in, count, out, &total});
  quotients(isa, {out, count, total});
}

} // namespace

void softmax(const float* in, std::size_t outer, std::size_t size, std::size_t inner, float* out,
             CpuIsa isa) {
  if (inner == 1) {
    for (std::size_t o = 0; o < outer; ++o)
      softmax_row(in + o * size, size, out + o * size, isa);
    return;
  }
  std::vector<float> row(size);
  for (std::size_t o = 0; o < outer; ++o)
    for (std::size_t n = 0; n < inner; ++n) {
      const std::size_t at = o * size * inner + n;
      for (std::size_t i = 0; i < size; ++i)
        row[i] = in[at + i * inner];
      softmax_row(row.data(), size, row.data(), isa);
      for (std::size_t i = 0; i < size; ++i)
        out[at + i * inner] = row[i];
    }
}

void top_k(const float* in, std::size_t count, std::size_t k, std::int64_t* indices, CpuIsa isa) {
  for (const Candidate& candidate : select(in, count, k, isa, [](float value) { return value; }))
    *indices++ = candidate.index;
}

void softmax_top_k(const SoftmaxTopKArguments& arguments, CpuIsa isa) {
  const auto row = std::make_unique_for_overwrite<float[]>(arguments.width);
  std::int64_t* indices = arguments.indices;
  float* scores = arguments.scores;
  for (std::size_t r = 0; r < arguments.rows; ++r) {
    double total = 0;
    exponentials(isa, {arguments.in + r * arguments.width, arguments.width, row.get(), &total});
    const auto rank = [total](float value) { return probability(value, total); };
    for (const Candidate& candidate : select(row.get(), arguments.width, arguments.k, isa, rank)) {
      *indices++ = candidate.index;
      *scores++ = candidate.value;
    }
  }
}

} // namespace mrun::kernels
