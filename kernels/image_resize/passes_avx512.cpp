// The passes with VNNI, whose vpdpbusd multiplies four unsigned bytes with four signed ones and adds them up.
// A weight is three signed bytes, a * 65536 + b * 256 + c; three sums of products give the sum of the
// definition exactly, since all of it is arithmetic modulo 2^32.
#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/image_resize/passes.h"
#include "kernels/image_resize/row_block.h"

namespace mrun::kernels {
namespace {

constexpr int k_taps = 4; // in one instruction

// Of each output element, for each four taps: their three bytes, packed to 32 bits.
struct PackedWeights {
  std::vector<int> groups;          // of each output element
  std::vector<std::size_t> begin;   // of its first group in `bytes`
  std::vector<std::uint32_t> bytes; // 3 a group: a, b, c

  explicit PackedWeights(const AxisWeights& axis) {
    for (std::size_t i = 0; i < axis.first.size(); ++i) {
      begin.push_back(bytes.size());
      groups.push_back((axis.count[i] + k_taps - 1) / k_taps);
      const std::int32_t* weights = axis.weights.data() + i * static_cast<std::size_t>(axis.stride);
      for (int tap = 0; tap < axis.count[i]; tap += k_taps)
        push_group(weights + tap, std::min(k_taps, axis.count[i] - tap));
    }
  }

 private:
  void push_group(const std::int32_t* weights, int count) {
    std::uint32_t parts[3] = {};
    for (int tap = 0; tap < count; ++tap) {
      const std::int32_t low = static_cast<std::int8_t>(weights[tap] & 255);
      const std::int32_t rest = (weights[tap] - low) >> 8;
      const std::int32_t middle = static_cast<std::int8_t>(rest & 255);
      const std::int32_t high = (rest - middle) >> 8;
      parts[0] |= static_cast<std::uint32_t>(high & 255) << 8 * tap;
      parts[1] |= static_cast<std::uint32_t>(middle & 255) << 8 * tap;
      parts[2] |= static_cast<std::uint32_t>(low & 255) << 8 * tap;
    }
    bytes.insert(bytes.end(), parts, parts + 3);
  }
};

struct Sums {
  __m512i high, middle, low;
};

MRUN_TARGET_AVX512 MRUN_INLINE Sums no_sums() {
  return {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_set1_epi32(k_resize_half)};
}

MRUN_TARGET_AVX512 MRUN_INLINE void add_taps(Sums& sums, __m512i pixels, const std::uint32_t* weights) {
  sums.high = _mm512_dpbusd_epi32(sums.high, pixels, _mm512_set1_epi32(static_cast<int>(weights[0])));
  sums.middle = _mm512_dpbusd_epi32(sums.middle, pixels, _mm512_set1_epi32(static_cast<int>(weights[1])));
  sums.low = _mm512_dpbusd_epi32(sums.low, pixels, _mm512_set1_epi32(static_cast<int>(weights[2])));
}

MRUN_TARGET_AVX512 MRUN_INLINE __m512i total(const Sums& sums) {
  const __m512i sum = _mm512_add_epi32(
      _mm512_add_epi32(_mm512_slli_epi32(sums.high, 16), _mm512_slli_epi32(sums.middle, 8)), sums.low);
  return _mm512_srai_epi32(sum, k_resize_fraction_bits);
}

MRUN_TARGET_AVX512 MRUN_INLINE __m128i load16(const std::uint8_t* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

// Four pixels of four rows; the bytes of a channel side by side, a row in each 128 bits.
MRUN_TARGET_AVX512 MRUN_INLINE __m512i load_pixels(const std::array<const std::uint8_t*, 4>& rows,
                                                   std::size_t offset, __m512i order) {
  __m512i pixels = _mm512_castsi128_si512(load16(rows[0] + offset));
  pixels = _mm512_inserti32x4(pixels, load16(rows[1] + offset), 1);
  pixels = _mm512_inserti32x4(pixels, load16(rows[2] + offset), 2);
  pixels = _mm512_inserti32x4(pixels, load16(rows[3] + offset), 3);
  return _mm512_shuffle_epi8(pixels, order);
}

template<std::size_t Channels>
MRUN_TARGET_AVX512 void horizontal(const HorizontalPass& pass) {
  const __m512i order = _mm512_broadcast_i32x4(
      Channels == 3 ? _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1)
                    : _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const PackedWeights weights(*pass.axis);
  RowBlock block(pass);
  const std::size_t size = static_cast<std::size_t>(pass.axis->size());
  for (int y = 0; y < pass.rows; y += 4) {
    const std::array<const std::uint8_t*, 4> rows = block.rows(y);
    const std::size_t live = static_cast<std::size_t>(std::min(4, pass.rows - y));
    std::uint8_t* out = pass.out + static_cast<std::size_t>(y) * size * Channels;
    for (std::size_t x = 0; x < size; ++x) {
      Sums sums = no_sums();
      std::size_t offset = static_cast<std::size_t>(pass.axis->first[x]) * Channels;
      const std::uint32_t* bytes = weights.bytes.data() + weights.begin[x];
      for (int g = 0; g < weights.groups[x]; ++g, offset += k_taps * Channels, bytes += 3)
        add_taps(sums, load_pixels(rows, offset, order), bytes);
      alignas(16) std::uint8_t result[16];
      _mm_store_si128(reinterpret_cast<__m128i*>(result),
                      _mm512_cvtusepi32_epi8(_mm512_max_epi32(total(sums), _mm512_setzero_si512())));
      for (std::size_t row = 0; row < live; ++row)
        std::memcpy(out + (row * size + x) * Channels, result + row * 4, Channels);
    }
  }
}

MRUN_TARGET_AVX512 void vertical_row(const Pixels& in, int first, int count, const std::uint32_t* weights,
                                     std::size_t width, std::uint8_t* out) {
  constexpr std::size_t block = 64;
  const std::uint8_t* base = in.data + static_cast<std::size_t>(first) * in.row_bytes;
  for (std::size_t x = 0; x < width; x += block) {
    const __mmask64 mask = width - x >= block ? ~__mmask64{0} : (__mmask64{1} << (width - x)) - 1;
    Sums sums[4] = {no_sums(), no_sums(), no_sums(), no_sums()};
    const std::uint32_t* bytes = weights;
    for (int tap = 0; tap < count; tap += k_taps, bytes += 3) {
      __m512i rows[4];
      for (int i = 0; i < 4; ++i) { // beyond the last row the weights are 0
        const std::size_t row = static_cast<std::size_t>(std::min(tap + i, count - 1));
        rows[i] = _mm512_maskz_loadu_epi8(mask, base + row * in.row_bytes + x);
      }
      const __m512i a = _mm512_unpacklo_epi8(rows[0], rows[1]), b = _mm512_unpackhi_epi8(rows[0], rows[1]);
      const __m512i c = _mm512_unpacklo_epi8(rows[2], rows[3]), d = _mm512_unpackhi_epi8(rows[2], rows[3]);
      add_taps(sums[0], _mm512_unpacklo_epi16(a, c), bytes);
      add_taps(sums[1], _mm512_unpackhi_epi16(a, c), bytes);
      add_taps(sums[2], _mm512_unpacklo_epi16(b, d), bytes);
      add_taps(sums[3], _mm512_unpackhi_epi16(b, d), bytes);
    }
    const __m512i low = _mm512_packs_epi32(total(sums[0]), total(sums[1]));
    const __m512i high = _mm512_packs_epi32(total(sums[2]), total(sums[3]));
    _mm512_mask_storeu_epi8(out + x, mask, _mm512_packus_epi16(low, high));
  }
}

} // namespace

void horizontal_pass_avx512(const HorizontalPass& pass) {
  if (pass.channels == 3)
    horizontal<3>(pass);
  else
    horizontal<4>(pass);
}

void vertical_pass_avx512(const VerticalPass& pass) {
  const PackedWeights weights(*pass.axis);
  for (std::size_t y = 0; y < pass.axis->first.size(); ++y)
    vertical_row(pass.in, pass.axis->first[y], pass.axis->count[y], weights.bytes.data() + weights.begin[y],
                 pass.width_bytes, pass.out + y * pass.width_bytes);
}

} // namespace mrun::kernels
#endif
