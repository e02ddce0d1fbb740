#include "runtime/engines/torch/detection/regions.h"

namespace mrun::torch_engine {

RegionSizes check_regions(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                          std::int64_t pooled_height, std::int64_t pooled_width) {
  constexpr std::int64_t k_max_bins = 1 << 20; // along one axis
  constexpr double k_max_coordinate = 1e9;
  TORCH_CHECK(input.dim() == 4, "the input must have 4 axes, it has ", input.dim());
  TORCH_CHECK(rois.dim() == 2 && rois.size(1) == 5, "rois must have shape [K, 5], it has ", rois.sizes());
  TORCH_CHECK(input.scalar_type() == rois.scalar_type(), "the input is ", input.scalar_type(), ", rois are ",
              rois.scalar_type());
  TORCH_CHECK(pooled_height > 0 && pooled_height <= k_max_bins && pooled_width > 0 &&
                  pooled_width <= k_max_bins,
              "regions can't be cut into ", pooled_height, " x ", pooled_width, " bins");
  TORCH_CHECK(rois.size(0) == 0 || (input.size(2) > 0 && input.size(3) > 0), "the input has no pixels");
  const at::Tensor rows = rois.to(at::kDouble).contiguous();
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    const double* row = rows.const_data_ptr<double>() + i * 5;
    TORCH_CHECK(row[0] > -1 && row[0] < static_cast<double>(input.size(0)), "region ", i, " is of picture ",
                row[0], ", the batch has ", input.size(0));
    for (int j = 1; j < 5; ++j)
      TORCH_CHECK(std::abs(row[j] * spatial_scale) <= k_max_coordinate, "region ", i, " has a coordinate ",
                  row[j]);
  }
  return {input.size(1), input.size(2), input.size(3), pooled_height, pooled_width};
}

at::Tensor channel_of_each_bin(std::int64_t count, const RegionSizes& sizes) {
  TORCH_CHECK(sizes.channels % sizes.bins() == 0, "the input's ", sizes.channels,
              " channels are no multiple of ", sizes.bins(), " bins");
  return at::arange(sizes.channels, at::kInt)
      .view({1, sizes.channels / sizes.bins(), sizes.pooled_height, sizes.pooled_width})
      .repeat({count, 1, 1, 1});
}

} // namespace mrun::torch_engine
