#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/log_mel/log_mel.h"

namespace mrun::kernels {

void bench_log_mel(const BenchReport& report);

void bench_log_mel(const BenchReport& report) {
  LogMelFormat format;
  format.hop_length = 160;
  format.n_mels = 80;
  const LogMel mel(format);
  const std::vector<float> in(160'000, 0.5f);
  std::vector<float> out(format.n_mels * mel.frames(in.size()));
  report("10 s of 16 kHz, n_fft 400, hop 160, 80 mels", static_cast<double>(in.size()) * 4,
         [&] { mel.run(in.data(), in.size(), out.data()); });
}

} // namespace mrun::kernels
