#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/mean_pool/mean_pool.h"

namespace mrun::kernels {

void bench_mean_pool(const BenchReport& report);

void bench_mean_pool(const BenchReport& report) {
  const std::vector<float> in(std::size_t{256} * 384, 0.5f);
  std::vector<float> out(384);
  report("256x384", static_cast<double>(in.size()) * 4,
         [&] { mean_pool(in.data(), nullptr, 1, 256, 384, out.data()); });
}

} // namespace mrun::kernels
