#include <string>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/resample/resample.h"

namespace mrun::kernels {

void bench_resample(const BenchReport& report);

void bench_resample(const BenchReport& report) {
  const Resampler resampler(44'100, 16'000);
  const std::vector<float> in(441'000, 0.5f);
  std::vector<float> out(resampler.out_count(in.size()));
  for (const CpuIsa isa : cpu_isas())
    report(std::string("10 s of 44.1 kHz to 16 kHz ") + cpu_isa_name(isa), static_cast<double>(in.size()) * 4,
           [&, isa] { resampler.run(in.data(), in.size(), out.data(), isa); });
}

} // namespace mrun::kernels
