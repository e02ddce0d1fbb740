#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/normalize_to_nchw/normalize_to_nchw.h"

namespace mrun::kernels {

void bench_normalize_to_nchw(const BenchReport& report);

void bench_normalize_to_nchw(const BenchReport& report) {
  const std::vector<std::uint8_t> in(std::size_t{224} * 224 * 3, 99);
  std::vector<float> out(in.size());
  const float mean[3] = {0.485f, 0.456f, 0.406f};
  const float deviation[3] = {0.229f, 0.224f, 0.225f};
  report("224x224x3", static_cast<double>(in.size()) * 5,
         [&] { normalize_to_nchw(in.data(), std::size_t{224} * 224, 3, mean, deviation, out.data()); });
}

} // namespace mrun::kernels
