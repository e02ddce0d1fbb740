#include <doctest/doctest.h>

#include <algorithm>

#include "kernels/image_preprocess/image_preprocess.cuh"
#include "kernels/image_preprocess/image_preprocess.h"
#include "kernels/image_preprocess/image_preprocess_cases.h"
#include "kernels/image_resize/coefficients.h"
#include "kernels/tests/support.h"

using namespace mrun::kernels;
using namespace mrun::kernels::test::preprocess_test;

static_assert(k_weight_bits == k_resize_fraction_bits);

TEST_CASE("image_preprocess: each value is rounded three times, as in torchvision") {
  std::vector<std::uint8_t> in(256 * 3);
  for (std::size_t i = 0; i < in.size(); ++i)
    in[i] = static_cast<std::uint8_t>(i / 3 + i % 3);
  std::vector<float> planes(in.size()), pixels(in.size());
  PreprocessFormat format{3, 256, 1, ResizeFilter::bilinear, k_mean, k_deviation};
  const PreprocessPicture picture{in.data(), 256, 1, 256, 1, 0, 0};
  image_preprocess(format, {&picture, 1}, planes.data());
  format.layout = PreprocessLayout::nhwc;
  image_preprocess(format, {&picture, 1}, pixels.data());
  for (std::size_t i = 0; i < 256; ++i)
    for (std::size_t c = 0; c < 3; ++c) {
      const volatile float unit = static_cast<float>(in[i * 3 + c]) / 255.0f;
      const volatile float centred = unit - k_mean[c];
      const float expected = centred / k_deviation[c];
      REQUIRE(planes[c * 256 + i] == expected);
      REQUIRE(pixels[i * 3 + c] == expected);
    }
}

TEST_CASE("image_preprocess: bf16 is to the nearest, ties to even") {
  CHECK(bf16_bits(1.0f) == 0x3f80);
  CHECK(bf16_bits(1.00390625f) == 0x3f80); // half way, to even
  CHECK(bf16_bits(1.01171875f) == 0x3f82); // half way, to even
  CHECK(bf16_bits(-test::k_inf) == 0xff80);
  CHECK((bf16_bits(test::k_nan) & 0x7fff) > 0x7f80);
}

TEST_CASE("image_preprocess: each instruction set gives the reference's bits") {
  for (const Case& with : cases()) {
    const auto expected =
        with.result([&](void* out) { image_preprocess_reference(with.format, with.pictures, out); });
    for (const CpuIsa isa : cpu_isas()) {
      const bool equal =
          with.result([&](void* out) { image_preprocess(with.format, with.pictures, out, isa); }) == expected;
      CHECK_MESSAGE(equal, with.format.channels << " channels to " << with.format.out_width << "x"
                                                << with.format.out_height << ", filter "
                                                << static_cast<int>(with.format.filter) << ", "
                                                << cpu_isa_name(isa));
    }
  }
}

TEST_CASE("image_preprocess: the CUDA source, emulated, gives the reference's bits in any order of threads") {
  for (const Case& with : cases()) {
    const auto expected =
        with.result([&](void* out) { image_preprocess_reference(with.format, with.pictures, out); });
    const std::vector<std::uint64_t> tables = preprocess_tables(with.format, with.pictures);
    for (const emulation::ThreadOrder order : emulation::all_thread_orders()) {
      emulation::set_thread_order(order);
      const bool equal = with.result([&](void* out) {
        CHECK(launch_image_preprocess(with.format, tables.data(), static_cast<int>(with.pictures.size()), out,
                                      nullptr) == k_cuda_success);
      }) == expected;
      CHECK_MESSAGE(equal, with.format.channels << " channels to " << with.format.out_width << "x"
                                                << with.format.out_height << ", filter "
                                                << static_cast<int>(with.format.filter));
    }
  }
  CHECK(launch_image_preprocess({5}, nullptr, 1, nullptr, nullptr) == k_cuda_invalid_value);
  CHECK(launch_image_preprocess({3, 1, 1}, nullptr, 65'536, nullptr, nullptr) == k_cuda_invalid_value);
}
