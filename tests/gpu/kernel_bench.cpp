// gpu_kernel_bench: times the kernels on GPU 0; one JSON line a case. Bytes are those that must be read and
// written.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <vector>

#include "kernels/image_preprocess/image_preprocess_cuda.h"
#include "kernels/pool_normalize/pool_normalize.h"
#include "kernels/pool_normalize/pool_normalize_cuda.h"
#include "kernels/softmax_top_k/softmax_top_k_cuda.h"
#include "tests/gpu/device_buffer.h"

namespace {

using namespace mrun::kernels;
using test::DeviceBuffer;
using test::must;

void report(const char* name, double bytes, const std::function<void()>& call) {
  constexpr int warm = 5, rounds = 50;
  cudaEvent_t begin = nullptr, end = nullptr;
  must(cudaEventCreate(&begin));
  must(cudaEventCreate(&end));
  std::vector<float> samples_ms;
  for (int i = 0; i < warm + rounds; ++i) {
    must(cudaEventRecord(begin));
    call();
    must(cudaEventRecord(end));
    must(cudaEventSynchronize(end));
    float ms = 0;
    must(cudaEventElapsedTime(&ms, begin, end));
    if (i >= warm) samples_ms.push_back(ms);
  }
  std::nth_element(samples_ms.begin(), samples_ms.begin() + rounds / 2, samples_ms.end());
  const double median_us = static_cast<double>(samples_ms[rounds / 2]) * 1e3;
  std::printf("{\"case\":\"%s\",\"median_us\":%.2f,\"gb_per_s\":%.1f}\n", name, median_us,
              bytes / median_us / 1e3);
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
}

void bench_preprocess() {
  constexpr int count = 64, width = 1920, height = 1080;
  constexpr float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
  constexpr std::size_t in_bytes = std::size_t{width} * height * 3, out_numbers = std::size_t{224} * 224 * 3;
  DeviceBuffer<std::uint8_t> pixels(count * in_bytes);
  DeviceBuffer<float> out(count * out_numbers);
  const PreprocessFormat format{3, 224, 224, ResizeFilter::bilinear, mean, deviation};
  std::vector<PreprocessPicture> pictures;
  for (std::size_t i = 0; i < count; ++i)
    pictures.push_back({pixels.data() + i * in_bytes, width, height, 455, 256, 115, 16});
  DeviceBuffer<std::uint64_t> tables(preprocess_tables(format, pictures));
  report("image_preprocess 64 x 1920x1080 to 224x224",
         static_cast<double>(count * (in_bytes + out_numbers * 4)),
         [&] { must(image_preprocess_cuda(format, tables.data(), count, out.data(), nullptr)); });
}

void bench_pool_normalize() {
  constexpr std::size_t batch = 256, tokens = 256, width = 384;
  DeviceBuffer<float> in(std::vector<float>(batch * tokens * width, 0.5f)),
      mask(std::vector<float>(batch * tokens, 1.0f)), out(batch * width);
  report("pool_normalize 256x256x384", static_cast<double>(batch * tokens * width * 4), [&] {
    must(pool_normalize_cuda(in.data(), mask.data(), batch, tokens, width, k_normalize_epsilon, out.data(),
                             nullptr));
  });
}

void bench_softmax_top_k() {
  constexpr std::size_t rows = 256, width = 1000, k = 5;
  std::vector<float> logits(rows * width);
  for (std::size_t i = 0; i < logits.size(); ++i)
    logits[i] = static_cast<float>((i * 7919) % 1000) / 50;
  DeviceBuffer<float> in(logits), scores(rows * k);
  DeviceBuffer<std::int64_t> indices(rows * k);
  report("softmax_top_k 5 of 256x1000", static_cast<double>(rows * width * 4), [&] {
    must(softmax_top_k_cuda(in.data(), rows, width, k, indices.data(), scores.data(), nullptr));
  });
}

} // namespace

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::fprintf(stderr, "there is no GPU\n");
    return 1;
  }
  bench_preprocess();
  bench_pool_normalize();
  bench_softmax_top_k();
  return 0;
}
