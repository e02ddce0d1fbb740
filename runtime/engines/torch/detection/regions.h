// What the operators over regions have in common; only for files of this folder. `T` is the tensors' dtype:
// torchvision computes in it, so each step is rounded to it here, too.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "runtime/engines/torch/torch_headers.h"

namespace mrun::torch_engine {

// A number in the tensors' dtype. f16 takes an f32, as everywhere in LibTorch.
template<class T, class Number>
T rounded(Number number) {
  if constexpr (std::is_same_v<T, double>)
    return static_cast<double>(number);
  else
    return static_cast<T>(static_cast<float>(number));
}

struct RegionSizes {
  std::int64_t channels, height, width, pooled_height, pooled_width;

  std::int64_t plane() const { return height * width; }
  std::int64_t bins() const { return pooled_height * pooled_width; }
};

// What an operator over `input` and `rois` relies on: shapes, dtypes, that each region is of a picture of the
// batch, and that its coordinates, scaled, are finite and within 1e9. Error: c10::Error.
RegionSizes check_regions(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                          std::int64_t pooled_height, std::int64_t pooled_width);

// i32 [count, C / bins, pooled_height, pooled_width]: the channel that each bin of the position-sensitive
// operators reads, which is its own place. Error: C is no multiple of the bins.
at::Tensor channel_of_each_bin(std::int64_t count, const RegionSizes& sizes);

// One row of `rois`, contiguous.
template<class T>
struct Region {
  std::int64_t picture;
  T x1, y1, x2, y2; // scaled

  Region(const T* row, T scale)
      : picture(static_cast<std::int64_t>(row[0])),
        x1(row[1] * scale),
        y1(row[2] * scale),
        x2(row[3] * scale),
        y2(row[4] * scale) {}
};

// Calls `visit(number, region)` for each row, on LibTorch's threads: the regions know nothing of each other.
template<class T, class Visit>
void for_each_region(const at::Tensor& rois, double spatial_scale, std::int64_t values_per_region,
                     Visit visit) {
  const T* rows = rois.const_data_ptr<T>();
  const std::int64_t grain = std::max<std::int64_t>(1, at::internal::GRAIN_SIZE / values_per_region);
  at::parallel_for(0, rois.size(0), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      visit(i, Region<T>(rows + i * 5, rounded<T>(spatial_scale)));
  });
}

// A region along one axis, cut into bins, with so many samples in each.
template<class T>
struct SampledAxis {
  T start, bin;
  std::int64_t samples;

  // `sampling_ratio` ≤ 0: a sample for each pixel. Error: more than 65536.
  SampledAxis(T first, T extent, std::int64_t bins, std::int64_t sampling_ratio)
      : start(first),
        bin(extent / rounded<T>(bins)),
        samples(sampling_ratio) {
    constexpr std::int64_t k_max_samples = 65536;
    if (sampling_ratio <= 0) samples = static_cast<std::int64_t>(std::ceil(static_cast<double>(bin)));
    TORCH_CHECK(samples <= k_max_samples, "a region with bins of ", samples,
                " samples is too large: at most ", k_max_samples);
  }

  T place(std::int64_t bin_index, std::int64_t sample) const {
    return start + rounded<T>(bin_index) * bin +
           rounded<T>(static_cast<float>(sample) + .5F) * bin / rounded<T>(samples);
  }
};

// Between which two of `size` pixels a place is.
template<class T>
struct Between {
  bool inside = false;
  std::int64_t low = 0, high = 0;
  T low_weight = 0, high_weight = 0;

  Between(T at, std::int64_t size) {
    if (!(at >= -1 && at <= rounded<T>(size))) return; // nor a NaN
    if (at <= 0) at = 0;
    inside = true;
    low = static_cast<std::int64_t>(at);
    high = low + 1;
    if (low >= size - 1) {
      low = high = size - 1;
      at = rounded<T>(low);
    }
    high_weight = at - rounded<T>(low);
    low_weight = rounded<T>(1. - static_cast<double>(high_weight));
  }
};

// The samples of one bin after the other: four pixels of a plane and their weights. Shared by all channels.
template<class T>
class BinSamples {
 public:
  BinSamples(const RegionSizes& sizes, const SampledAxis<T>& y, const SampledAxis<T>& x)
      : m_sizes(sizes),
        m_y(y),
        m_x(x) {
    constexpr std::int64_t k_max_samples = std::int64_t{1} << 22;
    TORCH_CHECK(y.samples <= 0 || x.samples <= 0 || y.samples * x.samples <= k_max_samples,
                "a region with bins of ", y.samples, " x ", x.samples, " samples is too large");
  }

  std::int64_t count() const { return m_y.samples * m_x.samples; }

  void set_bin(std::int64_t row, std::int64_t column) {
    m_samples.clear();
    for (std::int64_t i = 0; i < m_y.samples; ++i) {
      const Between<T> y(m_y.place(row, i), m_sizes.height);
      if (!y.inside) continue;
      for (std::int64_t j = 0; j < m_x.samples; ++j) {
        const Between<T> x(m_x.place(column, j), m_sizes.width);
        if (!x.inside) continue; // it counts as 0
        const std::int64_t low = y.low * m_sizes.width, high = y.high * m_sizes.width;
        m_samples.push_back({{low + x.low, low + x.high, high + x.low, high + x.high},
                             {y.low_weight * x.low_weight, y.low_weight * x.high_weight,
                              y.high_weight * x.low_weight, y.high_weight * x.high_weight}});
      }
    }
  }

  T sum(const T* plane) const {
    T total = 0;
    for (const Sample& sample : m_samples)
      total += sample.weights[0] * plane[sample.pixels[0]] + sample.weights[1] * plane[sample.pixels[1]] +
               sample.weights[2] * plane[sample.pixels[2]] + sample.weights[3] * plane[sample.pixels[3]];
    return total;
  }

 private:
  struct Sample {
    std::array<std::int64_t, 4> pixels;
    std::array<T, 4> weights;
  };

  const RegionSizes& m_sizes;
  SampledAxis<T> m_y, m_x;
  std::vector<Sample> m_samples;
};

} // namespace mrun::torch_engine
