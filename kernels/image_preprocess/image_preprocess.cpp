#include "kernels/image_preprocess/image_preprocess.h"

#include <algorithm>
#include <array>
#include <memory>

#include "kernels/image_preprocess/pixel_value.h"

namespace mrun::kernels {
namespace {

// A byte has 256 values, so a table a channel gives the roundings without doing them per pixel.
template<class Number>
using Tables = std::array<std::array<Number, 256>, 4>;

float number_of(float value, const float*) {
  return value;
}

std::uint16_t number_of(float value, const std::uint16_t*) {
  return bf16_bits(value);
}

template<class Number>
Tables<Number> tables(const PreprocessFormat& format) {
  Tables<Number> all;
  for (std::size_t c = 0; c < static_cast<std::size_t>(format.channels); ++c)
    for (int byte = 0; byte < 256; ++byte)
      all[c][static_cast<std::size_t>(byte)] = number_of(
          pixel_value(byte, format.mean[c], format.deviation[c]), static_cast<const Number*>(nullptr));
  return all;
}

// What the crop keeps of the resized picture.
struct Kept {
  int from_x, from_y; // in the resized picture
  int to_x, to_y;     // in the output
  int width, height;
};

Kept kept(const PreprocessFormat& format, const PreprocessPicture& picture) {
  const int left = std::max(0, picture.crop_x), top = std::max(0, picture.crop_y);
  const int right = std::min(picture.resized_width, picture.crop_x + format.out_width);
  const int bottom = std::min(picture.resized_height, picture.crop_y + format.out_height);
  return {left,
          top,
          left - picture.crop_x,
          top - picture.crop_y,
          std::max(0, right - left),
          std::max(0, bottom - top)};
}

// Rows of bytes to rows of numbers, `planes`: of each channel by itself.
template<std::size_t Channels, class Number>
void write_rows(const std::uint8_t* in, const Kept& window, const PreprocessFormat& format,
                const Tables<Number>& all, Number* out) {
  const std::size_t width = static_cast<std::size_t>(format.out_width);
  const std::size_t plane = width * static_cast<std::size_t>(format.out_height);
  const bool planes = format.layout == PreprocessLayout::nchw;
  const std::size_t pixel_step = planes ? 1 : Channels, channel_step = planes ? plane : 1;
  for (std::size_t y = 0; y < static_cast<std::size_t>(window.height); ++y) {
    const std::size_t pixel =
        (static_cast<std::size_t>(window.to_y) + y) * width + static_cast<std::size_t>(window.to_x);
    Number* to = out + pixel * pixel_step;
    for (std::size_t x = 0; x < static_cast<std::size_t>(window.width); ++x, in += Channels, to += pixel_step)
      for (std::size_t c = 0; c < Channels; ++c)
        to[c * channel_step] = all[c][in[c]];
  }
}

template<class Number>
void fill_padding(const PreprocessFormat& format, const Tables<Number>& all, Number* out) {
  const std::size_t channels = static_cast<std::size_t>(format.channels);
  const std::size_t plane =
      static_cast<std::size_t>(format.out_width) * static_cast<std::size_t>(format.out_height);
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t i = 0; i < plane; ++i)
      out[format.layout == PreprocessLayout::nchw ? c * plane + i : i * channels + c] = all[c][0];
}

template<class Number>
void preprocess(const PreprocessFormat& format, std::span<const PreprocessPicture> pictures, Number* out,
                CpuIsa isa) {
  const Tables<Number> all = tables<Number>(format);
  const std::size_t channels = static_cast<std::size_t>(format.channels);
  const std::size_t numbers =
      static_cast<std::size_t>(format.out_width) * static_cast<std::size_t>(format.out_height) * channels;
  const auto cropped = std::make_unique_for_overwrite<std::uint8_t[]>(numbers);
  for (const PreprocessPicture& picture : pictures) {
    const Kept window = kept(format, picture);
    if (window.width < format.out_width || window.height < format.out_height) fill_padding(format, all, out);
    image_resize_window({picture.pixels, picture.width, picture.height, format.channels,
                         picture.resized_width, picture.resized_height, format.filter},
                        {window.from_x, window.from_y, window.width, window.height}, cropped.get(), isa);
    if (window.width > 0 && channels == 1) write_rows<1>(cropped.get(), window, format, all, out);
    if (window.width > 0 && channels == 2) write_rows<2>(cropped.get(), window, format, all, out);
    if (window.width > 0 && channels == 3) write_rows<3>(cropped.get(), window, format, all, out);
    if (window.width > 0 && channels == 4) write_rows<4>(cropped.get(), window, format, all, out);
    out += numbers;
  }
}

} // namespace

void image_preprocess(const PreprocessFormat& format, std::span<const PreprocessPicture> pictures, void* out,
                      CpuIsa isa) {
  if (format.type == PreprocessType::f32)
    preprocess(format, pictures, static_cast<float*>(out), isa);
  else
    preprocess(format, pictures, static_cast<std::uint16_t*>(out), isa);
}

} // namespace mrun::kernels
