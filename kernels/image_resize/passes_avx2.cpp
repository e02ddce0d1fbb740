// The passes with vpmaddwd, which multiplies pairs of 16-bit numbers and adds them up. A weight is two of
// them, a * 2048
// + b with b from 0 to 2047; two sums of products give the sum of the definition exactly, since all of it is
// arithmetic modulo 2^32.
#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/image_resize/passes.h"
#include "kernels/image_resize/row_block.h"

namespace mrun::kernels {
namespace {

constexpr int k_low_bits = 11;

// Of each output element, for each two taps: their high and their low parts, packed to 32 bits. The number of
// pairs of an element is even, so that four taps may be taken at once.
struct PackedWeights {
  std::vector<int> pairs;
  std::vector<std::size_t> begin;   // of an element's first pair in `words`
  std::vector<std::uint32_t> words; // 2 a pair: high, low

  explicit PackedWeights(const AxisWeights& axis) {
    for (std::size_t i = 0; i < axis.first.size(); ++i) {
      begin.push_back(words.size());
      pairs.push_back((axis.count[i] + 3) / 4 * 2);
      const std::int32_t* weights = axis.weights.data() + i * static_cast<std::size_t>(axis.stride);
      for (int tap = 0; tap < 2 * pairs.back(); tap += 2) {
        const std::int32_t a = tap < axis.count[i] ? weights[tap] : 0;
        const std::int32_t b = tap + 1 < axis.count[i] ? weights[tap + 1] : 0;
        words.push_back(pair(a >> k_low_bits, b >> k_low_bits));
        words.push_back(pair(a & ((1 << k_low_bits) - 1), b & ((1 << k_low_bits) - 1)));
      }
    }
  }

 private:
  static std::uint32_t pair(std::int32_t a, std::int32_t b) {
    return static_cast<std::uint32_t>(a & 0xffff) | static_cast<std::uint32_t>(b & 0xffff) << 16;
  }
};

struct Sums {
  __m256i high, low;
};

MRUN_TARGET_AVX2 MRUN_INLINE Sums no_sums() {
  return {_mm256_setzero_si256(), _mm256_set1_epi32(k_resize_half)};
}

// `pixels`: pairs of 16-bit numbers, of the two taps of `weights`.
MRUN_TARGET_AVX2 MRUN_INLINE void add_taps(Sums& sums, __m256i pixels, const std::uint32_t* weights) {
  sums.high =
      _mm256_add_epi32(sums.high, _mm256_madd_epi16(pixels, _mm256_set1_epi32(static_cast<int>(weights[0]))));
  sums.low =
      _mm256_add_epi32(sums.low, _mm256_madd_epi16(pixels, _mm256_set1_epi32(static_cast<int>(weights[1]))));
}

MRUN_TARGET_AVX2 MRUN_INLINE __m256i total(const Sums& sums) {
  return _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(sums.high, k_low_bits), sums.low),
                           k_resize_fraction_bits);
}

MRUN_TARGET_AVX2 MRUN_INLINE __m256i load_rows(const std::uint8_t* a, const std::uint8_t* b) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a))),
                                 _mm_loadu_si128(reinterpret_cast<const __m128i*>(b)), 1);
}

template<std::size_t Channels>
MRUN_TARGET_AVX2 void horizontal(const HorizontalPass& pass) {
  // The bytes of pixels 0 and 1, and of 2 and 3, channel by channel, as 16-bit numbers.
  const __m128i early = Channels == 3
                            ? _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1)
                            : _mm_setr_epi8(0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, 3, -1, 7, -1);
  const __m128i late = Channels == 3
                           ? _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1)
                           : _mm_setr_epi8(8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, 11, -1, 15, -1);
  const __m256i first_two = _mm256_broadcastsi128_si256(early), last_two = _mm256_broadcastsi128_si256(late);
  const PackedWeights weights(*pass.axis);
  RowBlock block(pass);
  const std::size_t size = static_cast<std::size_t>(pass.axis->size());
  for (int y = 0; y < pass.rows; y += 4) {
    const std::array<const std::uint8_t*, 4> rows = block.rows(y);
    const std::size_t live = static_cast<std::size_t>(std::min(4, pass.rows - y));
    std::uint8_t* out = pass.out + static_cast<std::size_t>(y) * size * Channels;
    for (std::size_t x = 0; x < size; ++x) {
      Sums upper = no_sums(), lower = no_sums();
      std::size_t offset = static_cast<std::size_t>(pass.axis->first[x]) * Channels;
      const std::uint32_t* words = weights.words.data() + weights.begin[x];
      for (int p = 0; p < weights.pairs[x]; p += 2, offset += 4 * Channels, words += 4) {
        const __m256i two = load_rows(rows[0] + offset, rows[1] + offset);
        add_taps(upper, _mm256_shuffle_epi8(two, first_two), words);
        add_taps(upper, _mm256_shuffle_epi8(two, last_two), words + 2);
        const __m256i other = load_rows(rows[2] + offset, rows[3] + offset);
        add_taps(lower, _mm256_shuffle_epi8(other, first_two), words);
        add_taps(lower, _mm256_shuffle_epi8(other, last_two), words + 2);
      }
      // In each half: 4 numbers of `upper`, 4 of `lower`; so rows 0 and 2, then 1 and 3.
      const __m256i words16 = _mm256_packs_epi32(total(upper), total(lower));
      alignas(32) std::uint8_t result[32];
      _mm256_store_si256(reinterpret_cast<__m256i*>(result), _mm256_packus_epi16(words16, words16));
      constexpr std::size_t at[4] = {0, 16, 4, 20};
      for (std::size_t row = 0; row < live; ++row)
        std::memcpy(out + (row * size + x) * Channels, result + at[row], Channels);
    }
  }
}

MRUN_TARGET_AVX2 void vertical_row(const Pixels& in, int first, int count, const std::int32_t* plain,
                                   const std::uint32_t* weights, std::size_t width, std::uint8_t* out) {
  constexpr std::size_t block = 32;
  const std::uint8_t* base = in.data + static_cast<std::size_t>(first) * in.row_bytes;
  const __m256i zero = _mm256_setzero_si256();
  std::size_t x = 0;
  for (; x + block <= width; x += block) {
    Sums sums[4] = {no_sums(), no_sums(), no_sums(), no_sums()};
    const std::uint32_t* words = weights;
    for (int tap = 0; tap < count; tap += 2, words += 2) {
      const std::size_t next =
          static_cast<std::size_t>(std::min(tap + 1, count - 1)); // beyond: its weight is 0
      const __m256i a = _mm256_loadu_si256(
          reinterpret_cast<const __m256i*>(base + static_cast<std::size_t>(tap) * in.row_bytes + x));
      const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(base + next * in.row_bytes + x));
      const __m256i low = _mm256_unpacklo_epi8(a, b), high = _mm256_unpackhi_epi8(a, b);
      add_taps(sums[0], _mm256_unpacklo_epi8(low, zero), words);
      add_taps(sums[1], _mm256_unpackhi_epi8(low, zero), words);
      add_taps(sums[2], _mm256_unpacklo_epi8(high, zero), words);
      add_taps(sums[3], _mm256_unpackhi_epi8(high, zero), words);
    }
    const __m256i low = _mm256_packs_epi32(total(sums[0]), total(sums[1]));
    const __m256i high = _mm256_packs_epi32(total(sums[2]), total(sums[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + x), _mm256_packus_epi16(low, high));
  }
  vertical_bytes(base, in.row_bytes, plain, count, x, width, out);
}

} // namespace

void horizontal_pass_avx2(const HorizontalPass& pass) {
  if (pass.channels == 3)
    horizontal<3>(pass);
  else
    horizontal<4>(pass);
}

void vertical_pass_avx2(const VerticalPass& pass) {
  const PackedWeights weights(*pass.axis);
  for (std::size_t y = 0; y < pass.axis->first.size(); ++y)
    vertical_row(pass.in, pass.axis->first[y], pass.axis->count[y],
                 pass.axis->weights.data() + y * static_cast<std::size_t>(pass.axis->stride),
                 weights.words.data() + weights.begin[y], pass.width_bytes, pass.out + y * pass.width_bytes);
}

} // namespace mrun::kernels
#endif
