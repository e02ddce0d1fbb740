#include <string>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/softmax_top_k/softmax_top_k.h"

namespace mrun::kernels {
namespace {

void bench_width(const BenchReport& report, std::size_t width, std::size_t k) {
  std::vector<float> in(width), probabilities(width), scores(k);
  for (std::size_t i = 0; i < width; ++i)
    in[i] = static_cast<float>((i * 7919) % width) / static_cast<float>(width) * 20;
  std::vector<std::int64_t> indices(k);
  const SoftmaxTopKArguments arguments{in.data(), 1, width, k, indices.data(), scores.data()};
  const double bytes = static_cast<double>(width) * 4;
  const std::string name = std::to_string(k) + " of " + std::to_string(width);
  report(name + " reference", bytes, [&] { softmax_top_k_reference(arguments); });
  for (const CpuIsa isa : cpu_isas()) {
    report(name + " " + cpu_isa_name(isa), bytes, [&, isa] { softmax_top_k(arguments, isa); });
    report(name + " in two steps " + cpu_isa_name(isa), bytes, [&, isa] {
      softmax(in.data(), 1, width, 1, probabilities.data(), isa);
      top_k(probabilities.data(), width, k, indices.data(), isa);
    });
  }
}

} // namespace

void bench_softmax_top_k(const BenchReport& report);

void bench_softmax_top_k(const BenchReport& report) {
  bench_width(report, 1000, 5);
  bench_width(report, 128'000, 50);
}

} // namespace mrun::kernels
