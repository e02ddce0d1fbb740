// preprocess_bench WIDTH HEIGHT ISA: the process behind scripts/bench/preprocess.py. Reads u8 [HEIGHT, WIDTH,
// 3] from standard input; then each newline runs image_preprocess to f32 [3, 224, 224] as torchvision's usual
// transform (shorter side 256, crop 224) and answers with the nanoseconds; each `r` runs it and answers with
// the result's bytes. Without arguments it prints the instruction sets that this CPU has.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels/image_preprocess/image_preprocess.h"

namespace {

using namespace mrun::kernels;

// As CenterCrop::origin of the steps, for pictures that are not smaller.
int origin(int size, int crop) {
  const int half = (size - crop) / 2;
  return half + ((size - crop) % 2 != 0 && half % 2 != 0 ? 1 : 0);
}

PreprocessPicture usual_transform(const std::vector<std::uint8_t>& pixels, int width, int height) {
  constexpr int shorter = 256, crop = 224;
  const int longer =
      static_cast<int>(static_cast<double>(shorter) * std::max(width, height) / std::min(width, height));
  const int resized_width = width <= height ? shorter : longer,
            resized_height = width <= height ? longer : shorter;
  return {pixels.data(),
          width,
          height,
          resized_width,
          resized_height,
          origin(resized_width, crop),
          origin(resized_height, crop)};
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    for (const CpuIsa isa : cpu_isas())
      std::printf("%s\n", cpu_isa_name(isa));
    return argc == 1 ? 0 : 2;
  }
  const int width = std::atoi(argv[1]), height = std::atoi(argv[2]);
  CpuIsa isa = CpuIsa::baseline;
  for (const CpuIsa known : cpu_isas())
    if (std::strcmp(cpu_isa_name(known), argv[3]) == 0) isa = known;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  if (width <= 0 || height <= 0 || std::fread(pixels.data(), 1, pixels.size(), stdin) != pixels.size())
    return 2;
  constexpr float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
  const PreprocessFormat format{3, 224, 224, ResizeFilter::bilinear, mean, deviation};
  const PreprocessPicture picture = usual_transform(pixels, width, height);
  for (int command = std::getchar(); command != EOF; command = std::getchar()) {
    const auto begin = std::chrono::steady_clock::now();
    std::vector<float> out(224 * 224 * 3); // a fresh one each time, as torchvision's
    image_preprocess(format, {&picture, 1}, out.data(), isa);
    const auto taken = std::chrono::steady_clock::now() - begin;
    if (command == 'r')
      std::fwrite(out.data(), sizeof(float), out.size(), stdout);
    else
      std::printf("%lld\n", static_cast<long long>(
                                std::chrono::duration_cast<std::chrono::nanoseconds>(taken).count()));
    std::fflush(stdout);
  }
  return 0;
}
