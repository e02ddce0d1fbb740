#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/log_mel/log_mel.h"
#include "kernels/tests/support.h"

using namespace mrun::kernels;

TEST_CASE("log_mel: the transform of sizes with small factors is the definition's") {
  for (const std::size_t size : {2, 3, 4, 5, 8, 12, 31, 60, 62, 93, 400, 441, 512}) {
    mrun::kernels::test::Noise noise;
    std::vector<std::complex<double>> in(size), out(size);
    for (std::complex<double>& value : in)
      value = {static_cast<double>(noise.number(-1, 1)), static_cast<double>(noise.number(-1, 1))};
    Fft(size).run(in.data(), out.data());
    double worst = 0;
    for (std::size_t k = 0; k < size; ++k) {
      std::complex<double> sum = 0;
      for (std::size_t j = 0; j < size; ++j)
        sum += in[j] * std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(j * k % size) /
                                           static_cast<double>(size));
      worst = std::max(worst, std::abs(sum - out[k]));
    }
    CHECK_MESSAGE(worst < 1e-11, size);
  }
}

TEST_CASE("log_mel: a tone is loudest in its own band; silence is the offset's logarithm") {
  LogMelFormat format;
  format.n_mels = 40;
  const LogMel mel(format);
  std::vector<float> tone(3200), out(40 * mel.frames(3200));
  for (std::size_t i = 0; i < tone.size(); ++i)
    tone[i] = static_cast<float>(std::sin(2 * std::numbers::pi * 1000 * static_cast<double>(i) / 16'000));
  mel.run(tone.data(), tone.size(), out.data());
  std::size_t loudest = 0;
  const std::size_t frames = mel.frames(3200);
  for (std::size_t m = 0; m < 40; ++m)
    if (out[m * frames + 8] > out[loudest * frames + 8]) loudest = m;
  // 1000 Hz are 1000 mel of HTK's 2840 at 8 kHz; the middle of band m is at (m + 1) / 41 of them.
  CHECK(loudest == 13);
  const std::vector<float> silence(3200);
  mel.run(silence.data(), silence.size(), out.data());
  for (const float value : out)
    REQUIRE(value == doctest::Approx(std::log(1e-6)));
}

TEST_CASE("log_mel: frames with and without the mirror, decibels with a floor") {
  LogMelFormat format;
  CHECK(LogMel(format).frames(201) == 2);
  CHECK(LogMel(format).least_samples() == 201);
  CHECK(LogMel(format).frames(16'000) == 81);
  format.center = false;
  CHECK(LogMel(format).least_samples() == 400);
  CHECK(LogMel(format).frames(400) == 1);
  CHECK(LogMel(format).frames(799) == 2);
  format.log = MelLog::db;
  format.top_db = 30;
  const LogMel mel(format);
  const std::vector<float> in = mrun::kernels::test::Noise().numbers(2000, -1, 1);
  std::vector<float> out(format.n_mels * mel.frames(in.size()));
  mel.run(in.data(), in.size(), out.data());
  const auto [least, most] = std::minmax_element(out.begin(), out.end());
  CHECK(*most - *least == doctest::Approx(30));
}
