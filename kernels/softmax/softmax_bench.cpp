#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/softmax/softmax.h"

namespace mrun::kernels {

void bench_softmax(const BenchReport& report);

void bench_softmax(const BenchReport& report) {
  const std::vector<float> in(1000, 0.5f);
  std::vector<float> out(1000);
  report("1x1000", 1000.0 * 8, [&] { softmax(in.data(), 1, 1000, 1, out.data()); });
}

} // namespace mrun::kernels
