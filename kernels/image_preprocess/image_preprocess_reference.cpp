#include <algorithm>

#include "kernels/image_preprocess/image_preprocess.h"
#include "kernels/image_preprocess/pixel_value.h"
#include "kernels/image_resize/coefficients.h"

namespace mrun::kernels {
namespace {

int rounded(std::int32_t sum) {
  return std::clamp(sum >> k_resize_fraction_bits, 0, 255);
}

// A number of the resized picture: two nested sums, the inner one rounded to a byte.
class Resized {
 public:
  Resized(const PreprocessPicture& picture, int channels, ResizeFilter filter)
      : m_picture(picture),
        m_channels(channels),
        m_columns(axis_weights(picture.width, picture.resized_width, filter, 0, picture.resized_width)),
        m_rows(axis_weights(picture.height, picture.resized_height, filter, 0, picture.resized_height)),
        m_rows_first(resizes_rows_first({nullptr, picture.width, picture.height, channels,
                                         picture.resized_width, picture.resized_height, filter})) {}

  int at(int x, int y, int channel) const {
    if (m_rows_first)
      return sum(m_columns, x, [&](int column) {
        return sum(m_rows, y, [&](int row) { return pixel(column, row, channel); });
      });
    return sum(m_rows, y, [&](int row) {
      return sum(m_columns, x, [&](int column) { return pixel(column, row, channel); });
    });
  }

 private:
  int pixel(int column, int row, int channel) const {
    const std::size_t at = static_cast<std::size_t>(row) * static_cast<std::size_t>(m_picture.width) +
                           static_cast<std::size_t>(column);
    return m_picture.pixels[at * static_cast<std::size_t>(m_channels) + static_cast<std::size_t>(channel)];
  }

  template<class Value>
  static int sum(const AxisWeights& axis, int at, Value value) {
    const std::size_t i = static_cast<std::size_t>(at);
    std::int32_t total = 1 << (k_resize_fraction_bits - 1);
    for (int tap = 0; tap < axis.count[i]; ++tap)
      total += value(axis.first[i] + tap) *
               axis.weights[i * static_cast<std::size_t>(axis.stride) + static_cast<std::size_t>(tap)];
    return rounded(total);
  }

  const PreprocessPicture& m_picture;
  int m_channels;
  AxisWeights m_columns, m_rows;
  bool m_rows_first;
};

} // namespace

void image_preprocess_reference(const PreprocessFormat& format, std::span<const PreprocessPicture> pictures,
                                void* out) {
  const int width = format.out_width, height = format.out_height, channels = format.channels;
  std::size_t base = 0;
  for (const PreprocessPicture& picture : pictures) {
    const Resized resized(picture, channels, format.filter);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (int c = 0; c < channels; ++c) {
          const int from_x = x + picture.crop_x, from_y = y + picture.crop_y;
          const bool inside =
              from_x >= 0 && from_y >= 0 && from_x < picture.resized_width && from_y < picture.resized_height;
          const float value =
              pixel_value(inside ? resized.at(from_x, from_y, c) : 0, format.mean[c], format.deviation[c]);
          const int at = format.layout == PreprocessLayout::nchw ? (c * height + y) * width + x
                                                                 : (y * width + x) * channels + c;
          const std::size_t to = base + static_cast<std::size_t>(at);
          if (format.type == PreprocessType::f32)
            static_cast<float*>(out)[to] = value;
          else
            static_cast<std::uint16_t*>(out)[to] = bf16_bits(value);
        }
    base += static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
            static_cast<std::size_t>(channels);
  }
}

} // namespace mrun::kernels
