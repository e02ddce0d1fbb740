#include "runtime/engines/torch/quantized_decomposed.h"

#include <limits>
#include <string>
#include <tuple>

#include "common/error.h"
#include "runtime/engines/torch/quantized_names.h"

namespace mrun::torch_engine {
namespace {

using at::ScalarType;
using at::Tensor;
using Int = std::int64_t;
using OptionalTensor = std::optional<Tensor>;
using OptionalType = std::optional<ScalarType>;
using TensorPair = std::tuple<Tensor, Tensor>;

struct Bounds {
  double min = 0, max = 0;
};

template<class T>
constexpr Bounds bounds() {
  return {static_cast<double>(std::numeric_limits<T>::min()),
          static_cast<double>(std::numeric_limits<T>::max())};
}

std::optional<Bounds> bounds_of(ScalarType type) {
  switch (type) {
  case ScalarType::Byte:
    return bounds<std::uint8_t>();
  case ScalarType::Char:
    return bounds<std::int8_t>();
  case ScalarType::UInt16:
    return bounds<std::uint16_t>();
  case ScalarType::Short:
    return bounds<std::int16_t>();
  case ScalarType::Int:
    return bounds<std::int32_t>();
  case ScalarType::Float8_e5m2:
    return Bounds{-57344, 57344};
  case ScalarType::Float8_e4m3fn:
    return Bounds{-448, 448};
  default:
    return std::nullopt;
  }
}

void check_bounds(Int min, Int max, ScalarType type) {
  const auto bounds = bounds_of(type);
  TORCH_CHECK(bounds, "unsupported dtype: ", type);
  TORCH_CHECK(static_cast<double>(min) >= bounds->min && static_cast<double>(max) <= bounds->max,
              "quant_min and quant_max are out of bounds for ", type, ": ", min, ", ", max);
}

void check_one(const Tensor& tensor, const char* name) {
  TORCH_CHECK(tensor.numel() == 1, name, " must have one element, it has ", tensor.numel());
}

Tensor in_f32(const Tensor& input) {
  const bool half = input.scalar_type() == at::kHalf || input.scalar_type() == at::kBFloat16;
  TORCH_CHECK(half || input.scalar_type() == at::kFloat, "the input must be float32, it is ",
              input.scalar_type());
  return half ? input.to(at::kFloat) : input;
}

// Python's `1.0 / tensor`.
Tensor reciprocal_of(const Tensor& tensor) {
  return tensor.reciprocal() * 1.0;
}

// ---- per tensor

Tensor quantize_per_tensor(const Tensor& input, double scale, Int zero_point, Int min, Int max,
                           ScalarType type) {
  const Tensor values = in_f32(input);
  check_bounds(min, max, type);
  return at::clamp(at::round(values * (1.0 / scale)) + zero_point, min, max).to(type);
}

Tensor quantize_per_tensor_tensor(const Tensor& input, const Tensor& scale, const Tensor& zero_point, Int min,
                                  Int max, ScalarType type) {
  check_one(zero_point, "zero_point");
  check_one(scale, "scale");
  return quantize_per_tensor(input, scale.item().toDouble(), zero_point.item().toLong(), min, max, type);
}

Tensor quantize_per_tensor_tensor2(const Tensor& input, const Tensor& scale, const Tensor& zero_point,
                                   const Tensor& min, const Tensor& max, ScalarType type) {
  return quantize_per_tensor_tensor(input, scale, zero_point, min.item().toLong(), max.item().toLong(), type);
}

Tensor dequantize_per_tensor(const Tensor& input, double scale, Int zero_point, Int /*min*/, Int /*max*/,
                             ScalarType type, OptionalType out) {
  TORCH_CHECK(input.scalar_type() == type, "the input must be ", type, ", it is ", input.scalar_type());
  TORCH_CHECK(bounds_of(type), "unsupported dtype: ", type);
  return (input.to(out.value_or(at::kFloat)) - zero_point) * scale;
}

Tensor dequantize_per_tensor_tensor(const Tensor& input, const Tensor& scale, const Tensor& zero_point,
                                    Int min, Int max, ScalarType type, OptionalType out) {
  check_one(zero_point, "zero_point");
  check_one(scale, "scale");
  return dequantize_per_tensor(input, scale.item().toDouble(), zero_point.item().toLong(), min, max, type,
                               out);
}

Tensor dequantize_per_tensor_tensor2(const Tensor& input, const Tensor& scale, const Tensor& zero_point,
                                     const Tensor& min, const Tensor& max, ScalarType type,
                                     OptionalType out) {
  return dequantize_per_tensor_tensor(input, scale, zero_point, min.item().toLong(), max.item().toLong(),
                                      type, out);
}

// determine_qparams of torch/ao/quantization/utils.py.
TensorPair choose(const Tensor& input, Int min, Int max, double eps, ScalarType type, bool symmetric) {
  TORCH_CHECK(input.scalar_type() == at::kFloat || input.scalar_type() == at::kHalf ||
                  input.scalar_type() == at::kBFloat16,
              "the input must be float32, float16 or bfloat16, it is ", input.scalar_type());
  TORCH_CHECK(bounds_of(type), "unsupported dtype: ", type);
  TORCH_CHECK(min <= 0 && max >= 0 && min < max, "the range must include 0: ", min, " to ", max);
  const auto [least, most] = at::aminmax(input);
  const auto options = input.options();
  const double low = least.item().toDouble(), high = most.item().toDouble();
  if (low == std::numeric_limits<double>::infinity() && high == -std::numeric_limits<double>::infinity())
    return {at::ones({1}, options.dtype(at::kFloat)), at::zeros({1}, options.dtype(at::kLong))};
  const Tensor negative = at::min(least, at::zeros_like(least));
  const Tensor positive = at::max(most, at::zeros_like(most));
  const Tensor smallest = at::full({1}, eps, options.dtype(at::kFloat));
  Tensor scale, zero_point;
  if (symmetric) {
    scale = at::max(at::max(-negative, positive) / (static_cast<double>(max - min) / 2), smallest);
    zero_point = at::full({1}, type == at::kByte ? 128 : 0, options.dtype(at::kLong));
  } else {
    scale = at::max((positive - negative) / static_cast<double>(max - min), smallest);
    zero_point = at::clamp(at::rsub(at::round(negative / scale).to(at::kInt), min), min, max);
  }
  return {scale.to(at::kDouble), zero_point.to(at::kLong)};
}

TensorPair choose_qparams(const Tensor& input, Int min, Int max, double eps, ScalarType type) {
  return choose(input, min, max, eps, type, false);
}

TensorPair choose_qparams_symmetric(const Tensor& input, Int min, Int max, double eps, ScalarType type) {
  return choose(input, min, max, eps, type, true);
}

// ---- per channel

// `axis` and the first axis change places: its own inverse.
Tensor axis_first(const Tensor& input, Int axis) {
  return input.transpose(0, axis);
}

Tensor beside(const Tensor& values, const Tensor& input) {
  std::vector<Int> shape(static_cast<std::size_t>(input.dim()), 1);
  shape.at(0) = values.size(0);
  return values.view(shape);
}

void check_axis(const Tensor& input, Int axis) {
  TORCH_CHECK(axis < input.dim() && axis >= -input.dim(), "the axis must be below ", input.dim(), ", it is ",
              axis);
}

Tensor quantize_per_channel(const Tensor& input, const Tensor& scales, const Tensor& zero_points, Int axis,
                            Int min, Int max, ScalarType type) {
  const Tensor values = in_f32(input);
  check_axis(values, axis);
  check_bounds(min, max, type);
  const Tensor turned = axis_first(values, axis);
  const Tensor rounded =
      at::round(turned * reciprocal_of(beside(scales, turned))) + beside(zero_points, turned);
  return axis_first(at::clamp(rounded, min, max), axis).to(type);
}

Tensor dequantize_per_channel(const Tensor& input, const Tensor& scales, const OptionalTensor& zero_points,
                              Int axis, Int min, Int max, ScalarType type, OptionalType out) {
  TORCH_CHECK(input.scalar_type() == type, "the input must be ", type, ", it is ", input.scalar_type());
  check_axis(input, axis);
  check_bounds(min, max, type);
  const Tensor turned = axis_first(input, axis);
  const Tensor scale = beside(scales, turned);
  const Tensor values = zero_points ? (turned - beside(*zero_points, turned)) * scale : turned * scale;
  return axis_first(values.to(out.value_or(at::kFloat)), axis);
}

// ---- per token

TensorPair choose_qparams_per_token(const Tensor& input, ScalarType type) {
  TORCH_CHECK(type == at::kChar, "unsupported dtype: ", type);
  Tensor scales = input.abs().amax({-1}, true);
  if (scales.scalar_type() == at::kHalf) scales = scales.to(at::kFloat);
  scales = scales.clamp_min(1e-5).div(127);
  return {scales, at::zeros_like(scales)};
}

TensorPair choose_qparams_per_token_asymmetric(const Tensor& input, ScalarType /*type*/) {
  constexpr Int k_min = -128, k_max = 127;
  const Tensor least = at::amin(input, {-1}, true), most = at::amax(input, {-1}, true);
  const Tensor negative = at::min(least, at::zeros_like(least));
  const Tensor positive = at::max(most, at::zeros_like(most));
  const double eps = std::numeric_limits<float>::epsilon();
  const Tensor scale = ((positive - negative) / static_cast<double>(k_max - k_min)).clamp_min(eps);
  const Tensor low = negative / scale, high = positive / scale;
  const Tensor zero_point =
      at::where((low + k_min) + (high + k_max) > 0, at::rsub(low, k_min), at::rsub(high, k_max));
  return {scale.to(at::kDouble), at::clamp(zero_point, k_min, k_max).round().to(at::kLong)};
}

Tensor quantize_per_token(const Tensor& input, const Tensor& scales, const Tensor& zero_points, Int min,
                          Int max, ScalarType type) {
  check_bounds(min, max, type);
  const Int tokens =
      input.dim() == 0
          ? 1
          : c10::multiply_integers(input.sizes().slice(0, static_cast<std::size_t>(input.dim() - 1)));
  TORCH_CHECK(tokens == scales.numel() && tokens == zero_points.numel(), "there are ", tokens, " tokens, ",
              scales.numel(), " scales and ", zero_points.numel(), " zero points");
  return input.mul(reciprocal_of(scales)).add(zero_points).round().clamp(min, max).to(type);
}

Tensor dequantize_per_token(const Tensor& input, const Tensor& scales, const Tensor& zero_points, Int /*min*/,
                            Int /*max*/, ScalarType /*type*/, ScalarType out) {
  return ((input - zero_points) * scales).to(out);
}

// ---- per channel, in groups

Int checked_group(const Tensor& input, const Tensor& scales, Int size) {
  TORCH_CHECK(size > 1, "group_size must be over 1, it is ", size);
  TORCH_CHECK(input.dim() == 2, "the input must have 2 axes, it has ", input.dim());
  if (size > input.size(-1) && scales.dim() > 0 && scales.size(-1) == 1) size = input.size(-1);
  TORCH_CHECK(size > 0 && input.size(-1) % size == 0, "group_size ", size, " does not divide ",
              input.size(-1));
  return size;
}

Tensor quantize_per_channel_group(const Tensor& input, const Tensor& scales, const Tensor& zero_points,
                                  Int min, Int max, ScalarType type, Int group_size) {
  const Tensor groups = input.reshape({-1, checked_group(input, scales, group_size)});
  TORCH_CHECK(!at::isnan(groups).any().item().toBool(), "the input must not contain NaNs");
  return groups.mul(reciprocal_of(scales.reshape({-1, 1})))
      .add(zero_points.reshape({-1, 1}))
      .round()
      .clamp(min, max)
      .to(type)
      .reshape_as(input);
}

Tensor dequantize_per_channel_group(const Tensor& input, const Tensor& scales,
                                    const OptionalTensor& zero_points, Int /*min*/, Int /*max*/,
                                    ScalarType /*type*/, Int group_size, ScalarType out) {
  const Tensor groups = input.reshape({-1, checked_group(input, scales, group_size)});
  const Tensor zero =
      zero_points ? zero_points->reshape({-1, 1}) : at::zeros({}, scales.options().dtype(at::kInt));
  return groups.sub(zero).mul(scales.reshape({-1, 1})).reshape_as(input).to(out);
}

Tensor convert_element_type(const Tensor& input, ScalarType type) {
  return input.to(type, /*non_blocking=*/false, /*copy=*/true);
}

// ---- the table

template<auto F>
void implement(torch::Library& library, const char* name) {
  library.impl(name, torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, F));
}

struct Row {
  const char* name;
  const char* signature; // of _decomposed.py
  void (*implement)(torch::Library& library, const char* name);
};

// In the order of k_quantized_names.
constexpr std::array<Row, k_quantized_names.size()> k_rows = {{
    {"choose_qparams.tensor",
     "(Tensor input, int quant_min, int quant_max, float eps, ScalarType dtype) -> (Tensor, Tensor)",
     implement<&choose_qparams>},
    {"choose_qparams_per_token", "(Tensor input, ScalarType dtype) -> (Tensor, Tensor)",
     implement<&choose_qparams_per_token>},
    {"choose_qparams_per_token_asymmetric", "(Tensor input, ScalarType dtype) -> (Tensor, Tensor)",
     implement<&choose_qparams_per_token_asymmetric>},
    {"choose_qparams_symmetric.tensor",
     "(Tensor input, int quant_min, int quant_max, float eps, ScalarType dtype) -> (Tensor, Tensor)",
     implement<&choose_qparams_symmetric>},
    {"convert_element_type.no_fuse", "(Tensor input, ScalarType dtype) -> Tensor",
     implement<&convert_element_type>},
    {"dequantize_per_channel",
     "(Tensor input, Tensor scales, Tensor? zero_points, int axis, int quant_min, int quant_max, ScalarType "
     "dtype, "
     "*, ScalarType? out_dtype=None) -> Tensor",
     implement<&dequantize_per_channel>},
    {"dequantize_per_channel_group",
     "(Tensor input, Tensor scales, Tensor? zero_points, int quant_min, int quant_max, ScalarType dtype, "
     "int group_size, ScalarType output_dtype) -> Tensor",
     implement<&dequantize_per_channel_group>},
    {"dequantize_per_tensor",
     "(Tensor input, float scale, int zero_point, int quant_min, int quant_max, ScalarType dtype, *, "
     "ScalarType? out_dtype=None) -> Tensor",
     implement<&dequantize_per_tensor>},
    {"dequantize_per_tensor.tensor",
     "(Tensor input, Tensor scale, Tensor zero_point, int quant_min, int quant_max, ScalarType dtype, *, "
     "ScalarType? out_dtype=None) -> Tensor",
     implement<&dequantize_per_tensor_tensor>},
    {"dequantize_per_tensor.tensor2",
     "(Tensor input, Tensor scale, Tensor zero_point, Tensor quant_min, Tensor quant_max, ScalarType dtype, "
     "*, "
     "ScalarType? out_dtype=None) -> Tensor",
     implement<&dequantize_per_tensor_tensor2>},
    {"dequantize_per_token",
     "(Tensor input, Tensor scales, Tensor zero_points, int quant_min, int quant_max, ScalarType dtype, "
     "ScalarType output_dtype) -> Tensor",
     implement<&dequantize_per_token>},
    {"quantize_per_channel",
     "(Tensor input, Tensor scales, Tensor zero_points, int axis, int quant_min, int quant_max, ScalarType "
     "dtype) "
     "-> Tensor",
     implement<&quantize_per_channel>},
    {"quantize_per_channel_group",
     "(Tensor input, Tensor scales, Tensor zero_points, int quant_min, int quant_max, ScalarType dtype, "
     "int group_size) -> Tensor",
     implement<&quantize_per_channel_group>},
    {"quantize_per_tensor",
     "(Tensor input, float scale, int zero_point, int quant_min, int quant_max, ScalarType dtype) -> Tensor",
     implement<&quantize_per_tensor>},
    {"quantize_per_tensor.tensor",
     "(Tensor input, Tensor scale, Tensor zero_point, int quant_min, int quant_max, ScalarType dtype) -> "
     "Tensor",
     implement<&quantize_per_tensor_tensor>},
    {"quantize_per_tensor.tensor2",
     "(Tensor input, Tensor scale, Tensor zero_point, Tensor quant_min, Tensor quant_max, ScalarType dtype) "
     "-> Tensor",
     implement<&quantize_per_tensor_tensor2>},
    {"quantize_per_token",
     "(Tensor input, Tensor scales, Tensor zero_points, int quant_min, int quant_max, ScalarType dtype) -> "
     "Tensor",
     implement<&quantize_per_token>},
}};

} // namespace

QuantizedOperators::QuantizedOperators()
    : m_library(torch::Library::FRAGMENT, "quantized_decomposed", std::nullopt, __FILE__, __LINE__) {
  for (std::size_t i = 0; i < k_rows.size(); ++i) {
    const auto& [name, overload] = k_quantized_names.at(i);
    const std::string whole = std::string(name) + (overload.empty() ? "" : "." + std::string(overload));
    MRUN_CHECK(whole == k_rows.at(i).name);
    if (c10::Dispatcher::singleton().findSchema(
            {std::string(k_quantized_space) + std::string(name), std::string(overload)}))
      continue;
    m_library.def((whole + k_rows.at(i).signature).c_str());
    k_rows.at(i).implement(m_library, k_rows.at(i).name);
  }
}

} // namespace mrun::torch_engine
