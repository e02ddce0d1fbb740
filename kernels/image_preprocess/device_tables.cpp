#include <algorithm>
#include <cstring>

#include "kernels/image_preprocess/image_preprocess.h"
#include "kernels/image_resize/coefficients.h"

namespace mrun::kernels {
namespace {

// Appends one axis of the output; what is outside of the resized picture has no input elements, so it becomes
// 0.
std::int32_t append_axis(std::vector<std::int32_t>& numbers, int in_size, int resized, int crop, int out_size,
                         ResizeFilter filter, std::int32_t& stride) {
  const int begin = std::clamp(crop, 0, resized), end = std::clamp(crop + out_size, begin, resized);
  const AxisWeights axis = axis_weights(in_size, resized, filter, begin, end);
  stride = axis.stride;
  const std::size_t at = numbers.size(), out = static_cast<std::size_t>(out_size),
                    each = static_cast<std::size_t>(stride);
  numbers.resize(at + out * (2 + each));
  const std::size_t shift = static_cast<std::size_t>(begin - crop); // the axis' first element in the output
  std::copy(axis.first.begin(), axis.first.end(), numbers.begin() + static_cast<std::ptrdiff_t>(at + shift));
  std::copy(axis.count.begin(), axis.count.end(),
            numbers.begin() + static_cast<std::ptrdiff_t>(at + out + shift));
  std::copy(axis.weights.begin(), axis.weights.end(),
            numbers.begin() + static_cast<std::ptrdiff_t>(at + 2 * out + shift * each));
  return static_cast<std::int32_t>(at);
}

} // namespace

std::vector<std::uint64_t> preprocess_tables(const PreprocessFormat& format,
                                             std::span<const PreprocessPicture> pictures) {
  std::vector<DevicePicture> heads;
  std::vector<std::int32_t> numbers;
  for (const PreprocessPicture& picture : pictures) {
    DevicePicture head{picture.pixels, picture.width, picture.height, 0, 0, 0, 0, 0, 0};
    head.rows_first = resizes_rows_first({nullptr, picture.width, picture.height, format.channels,
                                          picture.resized_width, picture.resized_height, format.filter})
                          ? 1
                          : 0;
    head.columns = append_axis(numbers, picture.width, picture.resized_width, picture.crop_x,
                               format.out_width, format.filter, head.column_stride);
    head.rows = append_axis(numbers, picture.height, picture.resized_height, picture.crop_y,
                            format.out_height, format.filter, head.row_stride);
    heads.push_back(head);
  }
  static_assert(sizeof(DevicePicture) % sizeof(std::uint64_t) == 0);
  const std::size_t head_bytes = heads.size() * sizeof(DevicePicture),
                    number_bytes = numbers.size() * sizeof(std::int32_t);
  std::vector<std::uint64_t> tables((head_bytes + number_bytes + 7) / 8);
  if (!heads.empty()) std::memcpy(tables.data(), heads.data(), head_bytes);
  if (!numbers.empty())
    std::memcpy(reinterpret_cast<std::byte*>(tables.data()) + head_bytes, numbers.data(), number_bytes);
  return tables;
}

} // namespace mrun::kernels
