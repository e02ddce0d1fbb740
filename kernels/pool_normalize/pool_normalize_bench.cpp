#include <string>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/pool_normalize/pool_normalize.h"

namespace mrun::kernels {

void bench_pool_normalize(const BenchReport& report);

void bench_pool_normalize(const BenchReport& report) {
  constexpr std::size_t tokens = 256, width = 384;
  const std::vector<float> in(tokens * width, 0.5f), mask(tokens, 1.0f);
  std::vector<float> out(width);
  const PoolArguments arguments{in.data(), mask.data(), 1, tokens, width, out.data()};
  const double bytes = static_cast<double>(in.size()) * 4;
  report("256x384 reference", bytes, [&] { pool_normalize_reference(arguments, k_normalize_epsilon); });
  for (const CpuIsa isa : cpu_isas()) {
    report(std::string("256x384 ") + cpu_isa_name(isa), bytes,
           [&, isa] { pool_normalize(arguments, k_normalize_epsilon, isa); });
    report(std::string("256x384 in two steps ") + cpu_isa_name(isa), bytes, [&, isa] {
      mean_pool(arguments, isa);
      l2_normalize(out.data(), 1, width, k_normalize_epsilon, out.data(), isa);
    });
  }
}

} // namespace mrun::kernels
