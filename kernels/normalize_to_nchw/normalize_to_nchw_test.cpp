#include <doctest/doctest.h>

#include <vector>

#include "kernels/normalize_to_nchw/normalize_to_nchw.h"

using namespace mrun::kernels;

namespace {
constexpr float k_mean[4] = {0.485f, 0.456f, 0.406f, 0.5f};
constexpr float k_deviation[4] = {0.229f, 0.224f, 0.225f, 0.5f};
} // namespace

TEST_CASE("each value is rounded three times, as in torchvision") {
  std::vector<std::uint8_t> in(256 * 3);
  for (std::size_t i = 0; i < in.size(); ++i)
    in[i] = static_cast<std::uint8_t>(i / 3 + i % 3);
  std::vector<float> planes(in.size()), pixels(in.size());
  normalize_to_nchw(in.data(), 256, 3, k_mean, k_deviation, planes.data());
  normalize_to_nhwc(in.data(), 256, 3, k_mean, k_deviation, pixels.data());
  for (std::size_t i = 0; i < 256; ++i)
    for (std::size_t c = 0; c < 3; ++c) {
      const volatile float unit = static_cast<float>(in[i * 3 + c]) / 255.0f;
      const volatile float centred = unit - k_mean[c];
      const float expected = centred / k_deviation[c];
      REQUIRE(planes[c * 256 + i] == expected);
      REQUIRE(pixels[i * 3 + c] == expected);
    }
}

TEST_CASE("one and four channels, and no pixels") {
  const std::vector<std::uint8_t> in = {0, 255, 51, 102};
  std::vector<float> out(4);
  const float zero[4] = {0, 0, 0, 0}, one[4] = {1, 1, 1, 1};
  normalize_to_nchw(in.data(), 4, 1, zero, one, out.data());
  CHECK(out == std::vector<float>{0.0f, 1.0f, 0.2f, 0.4f});
  normalize_to_nchw(in.data(), 1, 4, zero, one, out.data());
  CHECK(out == std::vector<float>{0.0f, 1.0f, 0.2f, 0.4f});
  normalize_to_nchw(in.data(), 0, 4, k_mean, k_deviation, out.data());
  CHECK(out[0] == 0.0f);
}
