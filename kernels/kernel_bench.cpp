// kernel_bench [NAME…]: times the kernels of the table; one JSON line per case on standard output.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include "kernels/kernel_table.h"

namespace {

double median_ns(const std::function<void()>& call) {
  using clock = std::chrono::steady_clock;
  std::vector<double> samples;
  const auto end = clock::now() + std::chrono::milliseconds(300);
  while (samples.size() < 5 || clock::now() < end) {
    const auto start = clock::now();
    call();
    samples.push_back(std::chrono::duration<double, std::nano>(clock::now() - start).count());
  }
  std::nth_element(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2),
                   samples.end());
  return samples[samples.size() / 2];
}

} // namespace

int main(int argc, char** argv) {
  for (const mrun::kernels::KernelRow& row : mrun::kernels::kernel_rows()) {
    bool wanted = argc == 1;
    for (int i = 1; i < argc; ++i)
      wanted = wanted || row.name == argv[i];
    if (!wanted) continue;
    row.bench([&](std::string_view case_name, double bytes, const std::function<void()>& call) {
      const double ns = median_ns(call);
      std::printf("{\"kernel\":\"%s\",\"case\":\"%.*s\",\"median_us\":%.1f,\"gb_per_s\":%.2f}\n",
                  row.name.data(), static_cast<int>(case_name.size()), case_name.data(), ns / 1e3,
                  bytes / ns);
    });
  }
  return 0;
}
