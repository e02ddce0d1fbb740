#include <doctest/doctest.h>

#include <cstdlib>
#include <numeric>
#include <vector>

#include "kernels/image_resize/coefficients.h"
#include "kernels/image_resize/image_resize.h"
#include "kernels/tests/support.h"

using namespace mrun::kernels;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes resize(const Bytes& in, int w, int h, int channels, int out_w, int out_h, ResizeFilter filter,
             CpuIsa isa = best_cpu_isa()) {
  Bytes out(static_cast<std::size_t>(out_w * out_h * channels));
  image_resize({in.data(), w, h, channels, out_w, out_h, filter}, out.data(), isa);
  return out;
}

// The sums as the definition has them, one output value at a time.
std::uint8_t naive(const Bytes& in, std::size_t stride, std::size_t offset, const AxisWeights& axis, int at) {
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

TEST_CASE("image_resize: values that Pillow 13 gives") {
  // PIL.Image.frombytes("L", (5, 1), bytes([0, 50, 100, 200, 255])).resize((3, 1), FILTER)
  const Bytes row = {0, 50, 100, 200, 255};
  CHECK(resize(row, 5, 1, 1, 3, 1, ResizeFilter::nearest) == Bytes{0, 100, 255});
  CHECK(resize(row, 5, 1, 1, 3, 1, ResizeFilter::box) == Bytes{25, 100, 228});
  CHECK(resize(row, 5, 1, 1, 3, 1, ResizeFilter::bilinear) == Bytes{21, 111, 231});
  CHECK(resize(row, 5, 1, 1, 3, 1, ResizeFilter::hamming) == Bytes{19, 107, 234});
  CHECK(resize(row, 5, 1, 1, 3, 1, ResizeFilter::bicubic) == Bytes{16, 110, 237});
  CHECK(resize(row, 5, 1, 1, 3, 1, ResizeFilter::lanczos) == Bytes{13, 110, 240});
  CHECK(resize(row, 5, 1, 1, 8, 1, ResizeFilter::bicubic) == Bytes{0, 17, 53, 81, 129, 195, 238, 255});
}

TEST_CASE("image_resize: each instruction set's passes equal the sums of the definition") {
  const int w = 173, h = 61;
  for (const int channels : {1, 2, 3, 4}) {
    const Bytes in = mrun::kernels::test::Noise().bytes(static_cast<std::size_t>(w * h * channels));
    for (const ResizeFilter filter : k_filters)
      for (const CpuIsa isa : cpu_isas()) {
        const AxisWeights columns = axis_weights(w, 50, filter, 0, 50);
        const Bytes narrow = resize(in, w, h, channels, 50, h, filter, isa);
        const AxisWeights rows = axis_weights(h, 97, filter, 0, 97);
        const Bytes tall = resize(in, w, h, channels, w, 97, filter, isa);
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
        CHECK_MESSAGE(equal, channels << " channels, filter " << static_cast<int>(filter) << ", "
                                      << cpu_isa_name(isa));
      }
  }
}

TEST_CASE("image_resize: one set of bits on every instruction set and through every window") {
  const int sizes[][4] = {{1, 1, 7, 5},      {5, 1, 3, 9},        {2, 3, 1, 1},     {640, 480, 341, 256},
                          {97, 400, 80, 30}, {400, 97, 7, 97},    {33, 50, 33, 20}, {64, 64, 64, 64},
                          {3, 2, 200, 100},  {300, 300, 299, 301}};
  for (const auto& [w, h, out_w, out_h] : sizes)
    for (const int channels : {1, 3, 4}) {
      const Bytes in = mrun::kernels::test::Noise(7).bytes(static_cast<std::size_t>(w * h * channels));
      for (const ResizeFilter filter : k_filters) {
        const Bytes whole = resize(in, w, h, channels, out_w, out_h, filter, CpuIsa::baseline);
        const Window window{out_w / 3, out_h / 4, out_w - out_w / 3 - out_w / 5,
                            out_h - out_h / 4 - out_h / 6};
        Bytes part;
        for (int y = 0; y < window.height; ++y) {
          const std::size_t at = static_cast<std::size_t>(((window.y + y) * out_w + window.x) * channels);
          part.insert(part.end(), whole.begin() + static_cast<std::ptrdiff_t>(at),
                      whole.begin() + static_cast<std::ptrdiff_t>(at) + window.width * channels);
        }
        for (const CpuIsa isa : cpu_isas()) {
          const bool equal = resize(in, w, h, channels, out_w, out_h, filter, isa) == whole;
          CHECK_MESSAGE(equal, w << "x" << h << "x" << channels << " filter " << static_cast<int>(filter)
                                 << " " << cpu_isa_name(isa));
          Bytes out(part.size());
          image_resize_window({in.data(), w, h, channels, out_w, out_h, filter}, window, out.data(), isa);
          const bool part_equal = out == part;
          CHECK_MESSAGE(part_equal, "window of " << w << "x" << h << "x" << channels << " filter "
                                                 << static_cast<int>(filter) << " " << cpu_isa_name(isa));
        }
      }
    }
}

TEST_CASE("image_resize: the same size is a copy, a flat image stays flat, one pixel fills everything") {
  const Bytes in = mrun::kernels::test::Noise().bytes(40 * 30 * 3);
  for (const ResizeFilter filter : k_filters) {
    CHECK(resize(in, 40, 30, 3, 40, 30, filter) == in);
    CHECK(resize(Bytes(17 * 9 * 3, 200), 17, 9, 3, 5, 31, filter) == Bytes(5 * 31 * 3, 200));
    CHECK(resize({7, 8, 9}, 1, 1, 3, 2, 2, filter) == Bytes{7, 8, 9, 7, 8, 9, 7, 8, 9, 7, 8, 9});
  }
}

TEST_CASE("image_resize: weights of each output sum to one within rounding and stay inside of the image") {
  for (const ResizeFilter filter : k_filters) {
    if (filter == ResizeFilter::nearest) continue;
    for (const auto& [in_size, out_size] : {std::pair{1, 1}, {3, 1000}, {1000, 3}, {65535, 1}, {224, 223}}) {
      const AxisWeights axis = axis_weights(in_size, out_size, filter, 0, out_size);
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
