#include <string>
#include <vector>

#include "kernels/image_preprocess/image_preprocess.h"
#include "kernels/kernel_table.h"

namespace mrun::kernels {
namespace {

constexpr float k_mean[3] = {0.485f, 0.456f, 0.406f}, k_deviation[3] = {0.229f, 0.224f, 0.225f};

void bench_case(const BenchReport& report, int width, int height, int resized_width, int resized_height) {
  const std::vector<std::uint8_t> photo(
      static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3, 77);
  std::vector<float> out(224 * 224 * 3);
  const PreprocessFormat format{3, 224, 224, ResizeFilter::bilinear, k_mean, k_deviation};
  const PreprocessPicture picture{photo.data(),
                                  width,
                                  height,
                                  resized_width,
                                  resized_height,
                                  (resized_width - 224) / 2,
                                  (resized_height - 224) / 2};
  for (const CpuIsa isa : cpu_isas())
    report(std::to_string(width) + "x" + std::to_string(height) + " to 224x224 " + cpu_isa_name(isa),
           static_cast<double>(photo.size()),
           [&, isa] { image_preprocess(format, {&picture, 1}, out.data(), isa); });
}

} // namespace

void bench_image_preprocess(const BenchReport& report);

void bench_image_preprocess(const BenchReport& report) {
  bench_case(report, 4000, 3000, 341, 256);
  bench_case(report, 600, 400, 384, 256);
}

} // namespace mrun::kernels
