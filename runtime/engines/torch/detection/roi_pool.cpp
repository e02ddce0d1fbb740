#include <algorithm>
#include <cfloat>

#include <ATen/Dispatch.h>

#include "runtime/engines/torch/detection/operators.h"
#include "runtime/engines/torch/detection/regions.h"

namespace mrun::torch_engine {
namespace {

struct PixelRange {
  std::int64_t begin, end;
};

// A region along one axis in whole pixels, cut into bins that may overlap by one.
template<class T>
struct PixelAxis {
  std::int64_t start;
  T bin;
  std::int64_t limit; // where bins are cut off

  // `last`: whether the pixel that the region ends in belongs to it.
  PixelAxis(T from, T to, std::int64_t bins, bool last, std::int64_t limit_at)
      : start(static_cast<std::int64_t>(std::round(from))),
        bin(static_cast<T>(std::max<std::int64_t>(
                static_cast<std::int64_t>(std::round(to)) - start + (last ? 1 : 0), 1)) /
            static_cast<T>(bins)),
        limit(limit_at) {}

  PixelRange pixels(std::int64_t index) const {
    const auto clip = [&](T at) {
      return std::clamp<std::int64_t>(static_cast<std::int64_t>(at) + start, 0, limit);
    };
    return {clip(std::floor(static_cast<T>(index) * bin)), clip(std::ceil(static_cast<T>(index + 1) * bin))};
  }
};

// The largest pixel of a bin and its place in the plane.
template<class T>
std::pair<T, std::int32_t> largest(const T* plane, std::int64_t width, PixelRange y, PixelRange x) {
  if (y.end <= y.begin || x.end <= x.begin) return {T(0), -1};
  std::pair<T, std::int32_t> best{T(-FLT_MAX), -1};
  for (std::int64_t row = y.begin; row < y.end; ++row)
    for (std::int64_t at = row * width + x.begin; at < row * width + x.end; ++at)
      if (plane[at] > best.first) best = {plane[at], static_cast<std::int32_t>(at)};
  return best;
}

template<class T>
T average(const T* plane, std::int64_t width, PixelRange y, PixelRange x) {
  if (y.end <= y.begin || x.end <= x.begin) return T(0);
  T sum = 0;
  for (std::int64_t row = y.begin; row < y.end; ++row)
    for (std::int64_t at = row * width + x.begin; at < row * width + x.end; ++at)
      sum += plane[at];
  return sum / static_cast<T>((y.end - y.begin) * (x.end - x.begin));
}

} // namespace

std::tuple<at::Tensor, at::Tensor> roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                            double spatial_scale, std::int64_t pooled_height,
                                            std::int64_t pooled_width) {
  const RegionSizes sizes = check_regions(input, rois, spatial_scale, pooled_height, pooled_width);
  TORCH_CHECK(sizes.plane() <= INT32_MAX, "the input has too many pixels");
  const std::array<std::int64_t, 4> shape = {rois.size(0), sizes.channels, pooled_height, pooled_width};
  at::Tensor output = at::zeros(shape, input.options());
  at::Tensor places = at::zeros(shape, input.options().dtype(at::kInt));
  if (output.numel() == 0) return {output, places};
  const at::Tensor pixels = input.contiguous(), rows = rois.contiguous();
  const std::int64_t values = sizes.channels * sizes.bins();
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "roi_pool", [&] {
    const auto* pictures = pixels.const_data_ptr<scalar_t>();
    auto* out = output.mutable_data_ptr<scalar_t>();
    auto* place = places.mutable_data_ptr<std::int32_t>();
    for_each_region<scalar_t>(
        rows, spatial_scale, values, [&](std::int64_t i, const Region<scalar_t>& region) {
          const PixelAxis<scalar_t> y(region.y1, region.y2, pooled_height, true, sizes.height);
          const PixelAxis<scalar_t> x(region.x1, region.x2, pooled_width, true, sizes.width);
          const scalar_t* picture = pictures + region.picture * sizes.channels * sizes.plane();
          for (std::int64_t c = 0, at = i * values; c < sizes.channels; ++c)
            for (std::int64_t bin = 0; bin < sizes.bins(); ++bin, ++at)
              std::tie(out[at], place[at]) =
                  largest(picture + c * sizes.plane(), sizes.width, y.pixels(bin / pooled_width),
                          x.pixels(bin % pooled_width));
        });
  });
  return {output, places};
}

std::tuple<at::Tensor, at::Tensor> ps_roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                               double spatial_scale, std::int64_t pooled_height,
                                               std::int64_t pooled_width) {
  const RegionSizes sizes = check_regions(input, rois, spatial_scale, pooled_height, pooled_width);
  at::Tensor channels = channel_of_each_bin(rois.size(0), sizes);
  at::Tensor output = at::zeros(channels.sizes(), input.options());
  if (output.numel() == 0) return {output, channels};
  const at::Tensor pixels = input.contiguous(), rows = rois.contiguous();
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "ps_roi_pool", [&] {
    const auto* pictures = pixels.const_data_ptr<scalar_t>();
    auto* out = output.mutable_data_ptr<scalar_t>();
    for_each_region<scalar_t>(
        rows, spatial_scale, sizes.channels, [&](std::int64_t i, const Region<scalar_t>& region) {
          // The last row and column of a picture are in no bin: so it is in torchvision.
          const PixelAxis<scalar_t> y(region.y1, region.y2, pooled_height, false, sizes.height - 1);
          const PixelAxis<scalar_t> x(region.x1, region.x2, pooled_width, false, sizes.width - 1);
          const scalar_t* picture = pictures + region.picture * sizes.channels * sizes.plane();
          for (std::int64_t c = 0; c < sizes.channels; ++c) {
            const std::int64_t bin = c % sizes.bins();
            out[i * sizes.channels + c] = average(picture + c * sizes.plane(), sizes.width,
                                                  y.pixels(bin / pooled_width), x.pixels(bin % pooled_width));
          }
        });
  });
  return {output, channels};
}

} // namespace mrun::torch_engine
