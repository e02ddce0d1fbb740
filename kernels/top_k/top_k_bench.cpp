#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/top_k/top_k.h"

namespace mrun::kernels {

void bench_top_k(const BenchReport& report);

void bench_top_k(const BenchReport& report) {
  std::vector<float> in(1000);
  for (std::size_t i = 0; i < in.size(); ++i)
    in[i] = static_cast<float>((i * 7919) % 1000);
  std::vector<std::int64_t> out(5);
  report("5 of 1000", 1000.0 * 4, [&] { top_k(in.data(), in.size(), 5, out.data()); });
}

} // namespace mrun::kernels
