// Each kernel on the GPU gives the reference's bits, on what the CPU versions and the emulation are tried on.
#include <doctest/doctest.h>

#include <memory>

#include "kernels/image_preprocess/image_preprocess_cases.h"
#include "kernels/image_preprocess/image_preprocess_cuda.h"
#include "kernels/pool_normalize/pool_normalize_cases.h"
#include "kernels/pool_normalize/pool_normalize_cuda.h"
#include "kernels/softmax_top_k/softmax_top_k_cases.h"
#include "kernels/softmax_top_k/softmax_top_k_cuda.h"
#include "tests/gpu/device_buffer.h"

using namespace mrun::kernels;
using test::DeviceBuffer;
using test::must;

TEST_CASE("pool_normalize on the GPU") {
  for (const test::pool_test::Case& with : test::pool_test::cases()) {
    DeviceBuffer<float> in(with.in), mask(with.mask), out(with.batch * with.width);
    must(pool_normalize_cuda(in.data(), with.mask.empty() ? nullptr : mask.data(), with.batch, with.tokens,
                             with.width, k_normalize_epsilon, out.data(), nullptr));
    CHECK_MESSAGE(test::same_bits(out.values(), with.reference()),
                  with.batch << "x" << with.tokens << "x" << with.width);
  }
}

TEST_CASE("softmax_top_k on the GPU") {
  for (const test::softmax_test::Case& with : test::softmax_test::cases()) {
    DeviceBuffer<float> in(with.in), scores(with.rows * with.k);
    DeviceBuffer<std::int64_t> indices(with.rows * with.k);
    must(
        softmax_top_k_cuda(in.data(), with.rows, with.width, with.k, indices.data(), scores.data(), nullptr));
    const bool equal = test::softmax_test::Found{indices.values(), scores.values()} == with.reference();
    CHECK_MESSAGE(equal, with.k << " of " << with.rows << "x" << with.width);
  }
}

TEST_CASE("image_preprocess on the GPU") {
  for (const test::preprocess_test::Case& with : test::preprocess_test::cases()) {
    std::vector<std::unique_ptr<DeviceBuffer<std::uint8_t>>> pixels;
    std::vector<PreprocessPicture> pictures = with.pictures;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      pixels.push_back(std::make_unique<DeviceBuffer<std::uint8_t>>(with.pixels[i]));
      pictures[i].pixels = pixels.back()->data();
    }
    DeviceBuffer<std::uint64_t> tables(preprocess_tables(with.format, pictures));
    DeviceBuffer<std::uint8_t> out(with.bytes());
    must(image_preprocess_cuda(with.format, tables.data(), static_cast<int>(pictures.size()), out.data(),
                               nullptr));
    const bool equal = out.values() == with.result([&](void* to) {
      image_preprocess_reference(with.format, with.pictures, to);
    });
    CHECK_MESSAGE(equal, with.format.channels << " channels to " << with.format.out_width << "x"
                                              << with.format.out_height << ", filter "
                                              << static_cast<int>(with.format.filter));
  }
}
