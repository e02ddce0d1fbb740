#include "kernels/image_resize/coefficients.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <numbers>
#include <numeric>

namespace mrun::kernels {
namespace {

double box(double x) {
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

double bilinear(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double hamming(double x) {
  x = std::fabs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= std::numbers::pi;
  return std::sin(x) / x * (static_cast<double>(0.54f) + static_cast<double>(0.46f) * std::cos(x));
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) {
  return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

struct Filter {
  double (*weight)(double x);
  double support;
};

Filter filter_of(ResizeFilter filter) {
  switch (filter) {
  case ResizeFilter::box:
    return {box, 0.5};
  case ResizeFilter::hamming:
    return {hamming, 1.0};
  case ResizeFilter::bicubic:
    return {bicubic, 2.0};
  case ResizeFilter::lanczos:
    return {lanczos, 3.0};
  case ResizeFilter::nearest:
  case ResizeFilter::bilinear:
    break;
  }
  return {bilinear, 1.0};
}

std::int32_t fixed_point(double weight) {
  constexpr double one = 1 << k_resize_fraction_bits;
  return static_cast<std::int32_t>(weight < 0 ? -0.5 + weight * one : 0.5 + weight * one);
}

// Pillow adds the step up, so the rounding errors add up too: multiplying would differ at some sizes.
void take_nearest(AxisWeights& axis, int in_size, int out_size, int begin, int end) {
  const double step = static_cast<double>(static_cast<float>(in_size)) / out_size;
  double position = step * 0.5;
  for (int i = 0; i < end; ++i, position += step) {
    if (i < begin) continue;
    const int at = static_cast<int>(position);
    const std::size_t to = static_cast<std::size_t>(i - begin);
    axis.first[to] = at < in_size ? at : 0;
    axis.count[to] = at < in_size ? 1 : 0;
  }
}

void take_filter(AxisWeights& axis, int in_size, int out_size, const Filter& shape, int begin, int end) {
  const double scale = static_cast<double>(static_cast<float>(in_size)) / out_size;
  const double filter_scale = scale < 1.0 ? 1.0 : scale;
  const double inverse_filter_scale = 1.0 / filter_scale;
  const double support = shape.support * filter_scale;
  axis.stride = static_cast<int>(std::ceil(support)) * 2 + 1;
  axis.weights.resize(static_cast<std::size_t>(end - begin) * static_cast<std::size_t>(axis.stride));
  std::vector<double> window(static_cast<std::size_t>(axis.stride));
  for (int i = begin; i < end; ++i) {
    const double center = (i + 0.5) * scale;
    int first = static_cast<int>(center - support + 0.5);
    first = first < 0 ? 0 : first;
    int last = static_cast<int>(center + support + 0.5);
    last = last > in_size ? in_size : last;
    const int count = last - first;
    double sum = 0.0;
    for (int x = 0; x < count; ++x) {
      window[static_cast<std::size_t>(x)] = shape.weight((x + first - center + 0.5) * inverse_filter_scale);
      sum += window[static_cast<std::size_t>(x)];
    }
    const std::size_t to = static_cast<std::size_t>(i - begin);
    std::int32_t* weights = axis.weights.data() + to * static_cast<std::size_t>(axis.stride);
    for (int x = 0; x < count; ++x)
      weights[x] = fixed_point(sum != 0.0 ? window[static_cast<std::size_t>(x)] / sum
                                          : window[static_cast<std::size_t>(x)]);
    axis.first[to] = first;
    axis.count[to] = count;
  }
}

} // namespace

int AxisWeights::in_begin() const {
  int begin = size() > 0 ? INT_MAX : 0;
  for (const int at : first)
    begin = std::min(begin, at);
  return begin;
}

int AxisWeights::in_end() const {
  int end = 0;
  for (std::size_t i = 0; i < first.size(); ++i)
    end = std::max(end, first[i] + count[i]);
  return end;
}

void AxisWeights::renumber_from(int begin) {
  for (int& at : first)
    at -= begin;
}

AxisWeights axis_weights(int in_size, int out_size, ResizeFilter filter, int begin, int end) {
  AxisWeights axis;
  const std::size_t size = static_cast<std::size_t>(end - begin);
  axis.first.resize(size);
  axis.count.assign(size, 1);
  if (in_size != out_size && filter != ResizeFilter::nearest) {
    take_filter(axis, in_size, out_size, filter_of(filter), begin, end);
    return axis;
  }
  axis.stride = 1;
  axis.weights.assign(size, 1 << k_resize_fraction_bits);
  axis.identity = in_size == out_size;
  if (axis.identity)
    std::iota(axis.first.begin(), axis.first.end(), begin);
  else
    take_nearest(axis, in_size, out_size, begin, end);
  return axis;
}

} // namespace mrun::kernels
