#include <doctest/doctest.h>

#include <cstdlib>
#include <numeric>
#include <vector>

#include "kernels/image_resize/coefficients.h"
#include "kernels/image_resize/image_resize.h"

using namespace mrun::kernels;

namespace {

std::vector<std::uint8_t> noise(std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  std::uint32_t state = 12345;
  for (std::uint8_t& byte : bytes)
    byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

std::vector<std::uint8_t> resize(const std::vector<std::uint8_t>& in, int w, int h, int channels, int out_w,
                                 int out_h, ResizeFilter filter) {
  std::vector<std::uint8_t> out(static_cast<std::size_t>(out_w * out_h * channels));
  image_resize_u8(in.data(), w, h, channels, out.data(), out_w, out_h, filter);
  return out;
}

// The sums as the definition has them, one output value at a time.
std::uint8_t naive(const std::vector<std::uint8_t>& in, std::size_t stride, std::size_t offset,
                   const AxisWeights& axis, int at) {
  const std::size_t i = static_cast<std::size_t>(at);
  std::int64_t sum = 1 << (k_resize_fraction_bits - 1);
  for (int x = 0; x < axis.count[i]; ++x)
    sum += std::int64_t{in[offset + static_cast<std::size_t>(axis.first[i] + x) * stride]} *
           axis.weights[i * static_cast<std::size_t>(axis.stride) + static_cast<std::size_t>(x)];
  const std::int64_t value = sum >> k_resize_fraction_bits;
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

constexpr ResizeFilter k_filters[] = {ResizeFilter::nearest, ResizeFilter::box,     ResizeFilter::bilinear,
                                      ResizeFilter::hamming, ResizeFilter::bicubic, ResizeFilter::lanczos};

} // namespace

TEST_CASE("values that Pillow 13 gives") {
  // PIL.Image.frombytes("L", (5, 1), bytes([0, 50, 100, 200, 255])).resize((3, 1), FILTER)
  const std::vector<std::uint8_t> row = {0, 50, 100, 200, 255};
  CHECK(resize(row, 5, 1, 1, 3, 1, ResizeFilter::nearest) == std::vector<std::uint8_t>{0, 100, 255});
  CHECK(resize(row, 5, 1, 1, 3, 1, ResizeFilter::box) == std::vector<std::uint8_t>{25, 100, 228});
  CHECK(resize(row, 5, 1, 1, 3, 1, ResizeFilter::bilinear) == std::vector<std::uint8_t>{21, 111, 231});
  CHECK(resize(row, 5, 1, 1, 3, 1, ResizeFilter::hamming) == std::vector<std::uint8_t>{19, 107, 234});
  CHECK(resize(row, 5, 1, 1, 3, 1, ResizeFilter::bicubic) == std::vector<std::uint8_t>{16, 110, 237});
  CHECK(resize(row, 5, 1, 1, 3, 1, ResizeFilter::lanczos) == std::vector<std::uint8_t>{13, 110, 240});
  CHECK(resize(row, 5, 1, 1, 8, 1, ResizeFilter::bicubic) ==
        std::vector<std::uint8_t>{0, 17, 53, 81, 129, 195, 238, 255});
}

TEST_CASE("the vectorised passes equal the sums of the definition") {
  const int w = 173, h = 61;
  for (const int channels : {1, 2, 3, 4}) {
    const std::vector<std::uint8_t> in = noise(static_cast<std::size_t>(w * h * channels));
    for (const ResizeFilter filter : k_filters) {
      if (filter == ResizeFilter::nearest) continue;
      const AxisWeights columns = axis_weights(w, 50, filter);
      const std::vector<std::uint8_t> narrow = resize(in, w, h, channels, 50, h, filter);
      const AxisWeights rows = axis_weights(h, 97, filter);
      const std::vector<std::uint8_t> tall = resize(in, w, h, channels, w, 97, filter);
      bool equal = true;
      for (int c = 0; c < channels; ++c)
        for (int y = 0; y < h; ++y)
          for (int x = 0; x < 50; ++x)
            equal = equal && narrow[static_cast<std::size_t>((y * 50 + x) * channels + c)] ==
                                 naive(in, static_cast<std::size_t>(channels),
                                       static_cast<std::size_t>(y * w * channels + c), columns, x);
      for (int c = 0; c < channels; ++c)
        for (int y = 0; y < 97; ++y)
          for (int x = 0; x < w; ++x)
            equal = equal && tall[static_cast<std::size_t>((y * w + x) * channels + c)] ==
                                 naive(in, static_cast<std::size_t>(w * channels),
                                       static_cast<std::size_t>(x * channels + c), rows, y);
      CHECK(equal);
    }
  }
}

TEST_CASE("the same size is a copy, a flat image stays flat, one pixel fills everything") {
  const std::vector<std::uint8_t> in = noise(40 * 30 * 3);
  for (const ResizeFilter filter : k_filters) {
    CHECK(resize(in, 40, 30, 3, 40, 30, filter) == in);
    CHECK(resize(std::vector<std::uint8_t>(17 * 9 * 3, 200), 17, 9, 3, 5, 31, filter) ==
          std::vector<std::uint8_t>(5 * 31 * 3, 200));
    CHECK(resize({7, 8, 9}, 1, 1, 3, 2, 2, filter) ==
          std::vector<std::uint8_t>{7, 8, 9, 7, 8, 9, 7, 8, 9, 7, 8, 9});
  }
}

TEST_CASE("weights of each output sum to one within rounding and stay inside of the image") {
  for (const ResizeFilter filter : k_filters) {
    if (filter == ResizeFilter::nearest) continue;
    for (const auto& [in_size, out_size] : {std::pair{1, 1}, {3, 1000}, {1000, 3}, {65535, 1}, {224, 223}}) {
      const AxisWeights axis = axis_weights(in_size, out_size, filter);
      for (std::size_t i = 0; i < static_cast<std::size_t>(out_size); ++i) {
        REQUIRE(axis.first[i] >= 0);
        REQUIRE(axis.count[i] >= 1);
        REQUIRE(axis.count[i] <= axis.stride);
        REQUIRE(axis.first[i] + axis.count[i] <= in_size);
        const auto begin =
            axis.weights.begin() + static_cast<std::ptrdiff_t>(i * static_cast<std::size_t>(axis.stride));
        const std::int64_t sum = std::accumulate(begin, begin + axis.count[i], std::int64_t{0});
        REQUIRE(std::abs(sum - (1 << k_resize_fraction_bits)) <= axis.count[i]);
      }
    }
  }
}
