// What image_preprocess is tried on, by the CPU tests and on a GPU: each filter, channels and layout,
// padding, huge scales.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "kernels/image_preprocess/image_preprocess.h"
#include "kernels/tests/support.h"

namespace mrun::kernels::test::preprocess_test {

inline constexpr float k_mean[4] = {0.485f, 0.456f, 0.406f, 0.5f};
inline constexpr float k_deviation[4] = {0.229f, 0.224f, 0.225f, 0.5f};

struct Case {
  PreprocessFormat format;
  std::vector<PreprocessPicture> pictures;
  std::vector<std::vector<std::uint8_t>> pixels;

  std::size_t bytes() const {
    return pictures.size() *
           static_cast<std::size_t>(format.channels * format.out_width * format.out_height) *
           (format.type == PreprocessType::f32 ? 4 : 2);
  }
  template<class Call>
  std::vector<std::uint8_t> result(Call call) const {
    std::vector<std::uint64_t> out(bytes() / 8 + 1, 0x0101010101010101); // at the place where numbers may be
    call(out.data());
    const auto* begin = reinterpret_cast<const std::uint8_t*>(out.data());
    return {begin, begin + bytes()};
  }
};

// Pictures of these sizes {width, height, resized width, resized height, crop x, crop y}.
using Sizes = std::vector<std::array<int, 6>>;

inline Case make_case(const PreprocessFormat& format, const Sizes& sizes, std::uint32_t seed) {
  Case made{format, {}, {}};
  made.format.mean = k_mean;
  made.format.deviation = k_deviation;
  Noise noise(seed);
  for (const auto& [w, h, rw, rh, x, y] : sizes) {
    made.pixels.push_back(noise.bytes(static_cast<std::size_t>(w * h * format.channels)));
    made.pictures.push_back({made.pixels.back().data(), w, h, rw, rh, x, y});
  }
  return made;
}

inline std::vector<Case> cases() {
  using F = ResizeFilter;
  constexpr auto f32 = PreprocessType::f32, bf16 = PreprocessType::bf16;
  constexpr auto nchw = PreprocessLayout::nchw, nhwc = PreprocessLayout::nhwc;
  std::vector<Case> all;
  std::uint32_t seed = 1;
  const auto add = [&](int channels, int w, int h, F filter, PreprocessType type, PreprocessLayout layout,
                       const Sizes& sizes) {
    all.push_back(make_case({channels, w, h, filter, nullptr, nullptr, type, layout}, sizes, seed++));
  };
  for (const F filter : {F::nearest, F::box, F::bilinear, F::hamming, F::bicubic, F::lanczos}) {
    add(3, 40, 36, filter, f32, nchw,
        {{90, 70, 51, 40, 5, 2}, {40, 36, 40, 36, 0, 0}, {20, 31, 60, 93, 10, 28}});
    add(3, 21, 17, filter, bf16, nhwc,
        {{30, 200, 25, 30, 2, 6}, {200, 20, 25, 20, 2, 1}}); // rows first, then one axis
  }
  for (const int channels : {1, 2, 4})
    for (const auto layout : {nchw, nhwc})
      add(channels, 19, 23, F::bilinear, f32, layout, {{64, 48, 32, 24, 6, 0}, {5, 7, 32, 24, -3, 2}});
  add(3, 30, 30, F::bilinear, f32, nchw,
      {{10, 8, 20, 16, -5, -7}, {100, 100, 16, 40, -7, 5}});                             // a frame of zeros
  add(3, 8, 8, F::bicubic, f32, nchw, {{10, 8, 20, 16, 20, 0}, {10, 8, 20, 16, -8, 0}}); // nothing but zeros
  add(3, 1, 1, F::bilinear, f32, nchw, {{1, 1, 1, 1, 0, 0}, {2000, 3, 1, 1, 0, 0}, {3, 2000, 1, 1, 0, 0}});
  add(3, 2, 3, F::lanczos, bf16, nchw, {{5000, 2, 2, 3, 0, 0}, {2, 5000, 2, 3, 0, 0}}); // huge scales
  add(3, 70, 3, F::bilinear, f32, nhwc, {{3, 2, 70, 3, 0, 0}});
  add(4, 33, 9, F::bicubic, f32, nchw, {{300, 300, 33, 9, 0, 0}});
  add(3, 0, 5, F::bilinear, f32, nchw, {{9, 9, 5, 5, 0, 0}});
  add(3, 5, 5, F::bilinear, f32, nchw, {});
  return all;
}

} // namespace mrun::kernels::test::preprocess_test
