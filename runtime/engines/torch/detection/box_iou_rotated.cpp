#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "runtime/engines/torch/detection/operators.h"

namespace mrun::torch_engine {
namespace {

struct Point {
  double x, y;
};

using Corners = std::array<Point, 4>; // in order
using Polygon = std::vector<Point>;

double cross(Point origin, Point a, Point b) {
  return (a.x - origin.x) * (b.y - origin.y) - (a.y - origin.y) * (b.x - origin.x);
}

double area(const double* box) {
  return box[2] * box[3];
}

// `box`: middle x and y, width, height, angle in degrees. Around (x0, y0), so that far boxes lose no digits.
Corners corners_of(const double* box, double x0, double y0) {
  const double angle = box[4] * std::numbers::pi / 180;
  const double along_x = std::cos(angle) * box[2] / 2, along_y = -std::sin(angle) * box[2] / 2;
  const double across_x = std::sin(angle) * box[3] / 2, across_y = std::cos(angle) * box[3] / 2;
  const double x = box[0] - x0, y = box[1] - y0;
  return {{{x - along_x - across_x, y - along_y - across_y},
           {x + along_x - across_x, y + along_y - across_y},
           {x + along_x + across_x, y + along_y + across_y},
           {x - along_x + across_x, y - along_y + across_y}}};
}

// What of the polygon is on the left of the line from a to b, or on it (Sutherland and Hodgman 1974).
Polygon cut(const Polygon& polygon, Point a, Point b) {
  Polygon result;
  for (std::size_t i = 0; i < polygon.size(); ++i) {
    const Point from = polygon[i], to = polygon[(i + 1) % polygon.size()];
    const double from_side = cross(a, b, from), to_side = cross(a, b, to);
    if (from_side >= 0) result.push_back(from);
    if ((from_side < 0 && to_side > 0) || (from_side > 0 && to_side < 0)) {
      const double part = from_side / (from_side - to_side);
      result.push_back({from.x + part * (to.x - from.x), from.y + part * (to.y - from.y)});
    }
  }
  return result;
}

double common_area(const Corners& first, const Corners& second) {
  Polygon polygon(first.begin(), first.end());
  for (std::size_t i = 0; i < second.size(); ++i)
    polygon = cut(polygon, second[i], second[(i + 1) % second.size()]);
  double twice = 0;
  for (std::size_t i = 1; i + 1 < polygon.size(); ++i)
    twice += cross(polygon[0], polygon[i], polygon[i + 1]);
  return twice / 2;
}

double intersection_over_union(const double* a, const double* b) {
  constexpr double k_least_area = 1e-14;
  if (area(a) < k_least_area || area(b) < k_least_area) return 0;
  const double x = (a[0] + b[0]) / 2, y = (a[1] + b[1]) / 2;
  const double common = common_area(corners_of(a, x, y), corners_of(b, x, y));
  return common / (area(a) + area(b) - common);
}

void check_boxes(const at::Tensor& boxes) {
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 5, "rotated boxes must have shape [N, 5], they have ",
              boxes.sizes());
}

} // namespace

at::Tensor box_iou_rotated(const at::Tensor& boxes1, const at::Tensor& boxes2) {
  check_boxes(boxes1);
  check_boxes(boxes2);
  const at::Tensor first = boxes1.to(at::kDouble).contiguous(), second = boxes2.to(at::kDouble).contiguous();
  at::Tensor result = at::empty({first.size(0), second.size(0)}, boxes1.options().dtype(at::kFloat));
  float* out = result.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < first.size(0); ++i)
    for (std::int64_t j = 0; j < second.size(0); ++j)
      *out++ = static_cast<float>(intersection_over_union(first.const_data_ptr<double>() + i * 5,
                                                          second.const_data_ptr<double>() + j * 5));
  return result;
}

} // namespace mrun::torch_engine
