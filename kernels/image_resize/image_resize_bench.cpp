#include <vector>

#include "kernels/image_resize/image_resize.h"
#include "kernels/kernel_table.h"

namespace mrun::kernels {

void bench_image_resize(const BenchReport& report);

void bench_image_resize(const BenchReport& report) {
  const std::vector<std::uint8_t> photo(std::size_t{4000} * 3000 * 3, 77);
  std::vector<std::uint8_t> out(std::size_t{384} * 256 * 3);
  report("bilinear 4000x3000 to 341x256", 4000.0 * 3000 * 3,
         [&] { image_resize_u8(photo.data(), 4000, 3000, 3, out.data(), 341, 256, ResizeFilter::bilinear); });
  report("bilinear 600x400 to 384x256", 600.0 * 400 * 3,
         [&] { image_resize_u8(photo.data(), 600, 400, 3, out.data(), 384, 256, ResizeFilter::bilinear); });
  report("bicubic 600x400 to 384x256", 600.0 * 400 * 3,
         [&] { image_resize_u8(photo.data(), 600, 400, 3, out.data(), 384, 256, ResizeFilter::bicubic); });
}

} // namespace mrun::kernels
