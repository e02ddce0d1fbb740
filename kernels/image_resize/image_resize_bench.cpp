#include <string>
#include <vector>

#include "kernels/image_resize/image_resize.h"
#include "kernels/kernel_table.h"

namespace mrun::kernels {
namespace {

void bench_case(const BenchReport& report, const std::string& name, int in_width, int in_height,
                int out_width, int out_height, ResizeFilter filter) {
  const std::vector<std::uint8_t> photo(
      static_cast<std::size_t>(in_width) * static_cast<std::size_t>(in_height) * 3, 77);
  std::vector<std::uint8_t> out(static_cast<std::size_t>(out_width) * static_cast<std::size_t>(out_height) *
                                3);
  for (const CpuIsa isa : cpu_isas())
    report(name + " " + cpu_isa_name(isa), static_cast<double>(photo.size()), [&, isa] {
      image_resize({photo.data(), in_width, in_height, 3, out_width, out_height, filter}, out.data(), isa);
    });
}

} // namespace

void bench_image_resize(const BenchReport& report);

void bench_image_resize(const BenchReport& report) {
  bench_case(report, "bilinear 4000x3000 to 341x256", 4000, 3000, 341, 256, ResizeFilter::bilinear);
  bench_case(report, "bilinear 600x400 to 384x256", 600, 400, 384, 256, ResizeFilter::bilinear);
  bench_case(report, "bicubic 600x400 to 384x256", 600, 400, 384, 256, ResizeFilter::bicubic);
}

} // namespace mrun::kernels
