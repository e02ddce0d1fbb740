#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/l2_normalize/l2_normalize.h"

namespace mrun::kernels {

void bench_l2_normalize(const BenchReport& report);

void bench_l2_normalize(const BenchReport& report) {
  const std::vector<float> in(384, 0.5f);
  std::vector<float> out(384);
  report("1x384", 384.0 * 8, [&] { l2_normalize(in.data(), 1, 384, 1e-12f, out.data()); });
}

} // namespace mrun::kernels
