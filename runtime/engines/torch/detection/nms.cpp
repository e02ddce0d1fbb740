#include <algorithm>
#include <vector>

#include <ATen/Dispatch.h>

#include "runtime/engines/torch/detection/operators.h"

namespace mrun::torch_engine {
namespace {

// Boxes as columns, with their areas.
template<class T>
struct Boxes {
  std::vector<T> x1, y1, x2, y2, area;

  explicit Boxes(const at::Tensor& rows) {
    const std::int64_t count = rows.size(0);
    const T* data = rows.const_data_ptr<T>();
    for (std::int64_t i = 0; i < count; ++i, data += 4) {
      x1.push_back(data[0]);
      y1.push_back(data[1]);
      x2.push_back(data[2]);
      y2.push_back(data[3]);
      area.push_back((data[2] - data[0]) * (data[3] - data[1]));
    }
  }

  T intersection_over_union(std::size_t a, std::size_t b) const {
    const T width = std::max(T(0), std::min(x2[a], x2[b]) - std::max(x1[a], x1[b]));
    const T height = std::max(T(0), std::min(y2[a], y2[b]) - std::max(y1[a], y1[b]));
    const T common = width * height;
    return common / (area[a] + area[b] - common);
  }
};

template<class T>
std::vector<std::int64_t> kept(const Boxes<T>& boxes, const at::Tensor& order, double threshold) {
  const std::int64_t* by_score = order.const_data_ptr<std::int64_t>();
  std::vector<bool> gone(boxes.area.size(), false);
  std::vector<std::int64_t> result;
  for (std::int64_t i = 0; i < order.numel(); ++i) {
    const auto best = static_cast<std::size_t>(by_score[i]);
    if (gone[best]) continue;
    result.push_back(by_score[i]);
    for (std::int64_t j = i + 1; j < order.numel(); ++j) {
      const auto other = static_cast<std::size_t>(by_score[j]);
      if (!gone[other] && boxes.intersection_over_union(best, other) > threshold) gone[other] = true;
    }
  }
  return result;
}

} // namespace

at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 4, "boxes must have shape [N, 4], they have ",
              boxes.sizes());
  TORCH_CHECK(scores.dim() == 1 && scores.size(0) == boxes.size(0), "scores must have shape [", boxes.size(0),
              "], they have ", scores.sizes());
  TORCH_CHECK(boxes.scalar_type() == scores.scalar_type(), "boxes are ", boxes.scalar_type(), ", scores are ",
              scores.scalar_type());
  at::Tensor result = at::empty({0}, boxes.options().dtype(at::kLong));
  if (boxes.numel() == 0) return result;
  const at::Tensor order = std::get<1>(scores.sort(/*stable=*/true, /*dim=*/0, /*descending=*/true));
  AT_DISPATCH_FLOATING_TYPES(boxes.scalar_type(), "nms", [&] {
    const std::vector<std::int64_t> indices =
        kept(Boxes<scalar_t>(boxes.contiguous()), order.contiguous(), iou_threshold);
    result = at::tensor(indices, result.options());
  });
  return result;
}

} // namespace mrun::torch_engine
