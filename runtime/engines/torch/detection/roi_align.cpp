#include <ATen/Dispatch.h>

#include "runtime/engines/torch/detection/operators.h"
#include "runtime/engines/torch/detection/regions.h"

namespace mrun::torch_engine {
namespace {

template<class T>
BinSamples<T> aligned_samples(const RegionSizes& sizes, const Region<T>& region, std::int64_t sampling_ratio,
                              bool aligned) {
  const T shift = rounded<T>(aligned ? 0.5F : 0.0F);
  const T x = region.x1 - shift, y = region.y1 - shift;
  T width = region.x2 - shift - x, height = region.y2 - shift - y;
  if (!aligned) {
    width = std::max(width, rounded<T>(1));
    height = std::max(height, rounded<T>(1));
  }
  return {sizes, SampledAxis<T>(y, height, sizes.pooled_height, sampling_ratio),
          SampledAxis<T>(x, width, sizes.pooled_width, sampling_ratio)};
}

// `channel_of(c, bin)`: which channel of the picture goes into a bin of the output's channel c.
template<class T, class ChannelOf>
void average_bins(BinSamples<T> samples, const RegionSizes& sizes, std::int64_t out_channels, T count,
                  const T* picture, T* out, ChannelOf channel_of) {
  for (std::int64_t bin = 0; bin < sizes.bins(); ++bin) {
    samples.set_bin(bin / sizes.pooled_width, bin % sizes.pooled_width);
    for (std::int64_t c = 0; c < out_channels; ++c)
      out[c * sizes.bins() + bin] = samples.sum(picture + channel_of(c, bin) * sizes.plane()) / count;
  }
}

} // namespace

at::Tensor roi_align(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                     std::int64_t pooled_height, std::int64_t pooled_width, std::int64_t sampling_ratio,
                     bool aligned) {
  const RegionSizes sizes = check_regions(input, rois, spatial_scale, pooled_height, pooled_width);
  at::Tensor output = at::zeros({rois.size(0), sizes.channels, pooled_height, pooled_width}, input.options());
  if (output.numel() == 0) return output;
  const at::Tensor pixels = input.contiguous(), rows = rois.contiguous();
  const std::int64_t values = sizes.channels * sizes.bins();
  AT_DISPATCH_FLOATING_TYPES_AND_HALF(input.scalar_type(), "roi_align", [&] {
    const auto* pictures = pixels.const_data_ptr<scalar_t>();
    auto* out = output.mutable_data_ptr<scalar_t>();
    for_each_region<scalar_t>(
        rows, spatial_scale, values, [&](std::int64_t i, const Region<scalar_t>& region) {
          BinSamples<scalar_t> samples = aligned_samples(sizes, region, sampling_ratio, aligned);
          const auto count = rounded<scalar_t>(std::max<std::int64_t>(samples.count(), 1));
          average_bins(std::move(samples), sizes, sizes.channels, count,
                       pictures + region.picture * sizes.channels * sizes.plane(), out + i * values,
                       [](std::int64_t c, std::int64_t) { return c; });
        });
  });
  return output;
}

std::tuple<at::Tensor, at::Tensor> ps_roi_align(const at::Tensor& input, const at::Tensor& rois,
                                                double spatial_scale, std::int64_t pooled_height,
                                                std::int64_t pooled_width, std::int64_t sampling_ratio) {
  const RegionSizes sizes = check_regions(input, rois, spatial_scale, pooled_height, pooled_width);
  const std::int64_t out_channels = sizes.channels / sizes.bins();
  at::Tensor channels = channel_of_each_bin(rois.size(0), sizes);
  at::Tensor output = at::zeros(channels.sizes(), input.options());
  if (output.numel() == 0) return {output, channels};
  const at::Tensor pixels = input.contiguous(), rows = rois.contiguous();
  AT_DISPATCH_FLOATING_TYPES_AND_HALF(input.scalar_type(), "ps_roi_align", [&] {
    const auto* pictures = pixels.const_data_ptr<scalar_t>();
    auto* out = output.mutable_data_ptr<scalar_t>();
    for_each_region<scalar_t>(
        rows, spatial_scale, sizes.channels, [&](std::int64_t i, const Region<scalar_t>& region) {
          BinSamples<scalar_t> samples = aligned_samples(sizes, region, sampling_ratio, true);
          const auto count = rounded<scalar_t>(samples.count()); // 0 / 0 in a region without extent
          average_bins(std::move(samples), sizes, out_channels, count,
                       pictures + region.picture * sizes.channels * sizes.plane(), out + i * sizes.channels,
                       [&](std::int64_t c, std::int64_t bin) { return c * sizes.bins() + bin; });
        });
  });
  return {output, channels};
}

} // namespace mrun::torch_engine
