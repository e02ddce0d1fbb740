#include "runtime/media/tensor.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "common/limits.h"

namespace mrun {
namespace {

struct DTypeRow {
  std::string_view name;
  std::size_t size;
  std::uint8_t dlpack_code;
};
// In the order of DType.
constexpr std::array<DTypeRow, 21> k_dtypes = {
    {{"f32", 4, 2},        {"f64", 8, 2},      {"f16", 2, 2},          {"bf16", 2, 4},
     {"i8", 1, 0},         {"i16", 2, 0},      {"i32", 4, 0},          {"i64", 8, 0},
     {"u8", 1, 1},         {"bool", 1, 6},     {"u16", 2, 1},          {"u32", 4, 1},
     {"u64", 8, 1},        {"c32", 4, 5},      {"c64", 8, 5},          {"c128", 16, 5},
     {"f8_e4m3fn", 1, 10}, {"f8_e5m2", 1, 12}, {"f8_e4m3fnuz", 1, 11}, {"f8_e5m2fnuz", 1, 13},
     {"f8_e8m0fnu", 1, 14}}};

const DTypeRow& row(DType type) {
  return k_dtypes[static_cast<std::size_t>(type)];
}

// Lists of a tensor without elements: [1000000000, 0] holds no byte, but would be written as a billion `[]`.
constexpr std::size_t k_max_empty_lists = 1'000'000;
constexpr std::size_t k_alignment = 64; // a cache line, and what vector loads like

// Zeroed by calloc, so that large buffers come from fresh pages untouched.
std::shared_ptr<std::byte[]> allocate_zeroed(std::size_t size_bytes) {
  // NOLINTNEXTLINE(cppcoreguidelines-no-malloc)
  const std::shared_ptr<void> block(std::calloc(size_bytes + k_alignment, 1), &std::free);
  if (block == nullptr) return nullptr;
  void* aligned = block.get();
  std::size_t space = size_bytes + k_alignment;
  std::align(k_alignment, std::max<std::size_t>(size_bytes, 1), aligned, space);
  return {block, static_cast<std::byte*>(aligned)};
}

template<class From>
void widen(const Tensor& from, Tensor& to) {
  std::transform(from.as<From>().begin(), from.as<From>().end(), to.as<float>().begin(),
                 [](From value) { return static_cast<float>(value); });
}

} // namespace

std::size_t dtype_size(DType type) {
  return row(type).size;
}
std::string_view dtype_name(DType type) {
  return row(type).name;
}
std::uint8_t dlpack_code(DType type) {
  return row(type).dlpack_code;
}

bool is_complex(DType type) {
  return type == DType::c32 || type == DType::c64 || type == DType::c128;
}
bool is_f8(DType type) {
  return type >= DType::f8_e4m3fn;
}

bool find_dtype(std::string_view name, DType& type) {
  for (std::size_t i = 0; i < k_dtypes.size(); ++i)
    if (k_dtypes[i].name == name) {
      type = static_cast<DType>(i);
      return true;
    }
  return false;
}

bool dtype_of_dlpack(std::uint8_t code, std::uint8_t bits, std::uint16_t lanes, DType& type) {
  if (lanes != 1) return false;
  for (std::size_t i = 0; i < k_dtypes.size(); ++i)
    if (k_dtypes[i].dlpack_code == code && k_dtypes[i].size * 8 == bits) {
      type = static_cast<DType>(i);
      return true;
    }
  return false;
}

float f16_to_f32(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  const std::uint32_t exponent = half >> 10 & 31;
  const std::uint32_t fraction = half & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f; // zero and subnormal numbers
  return sign != 0 ? -magnitude : magnitude;
}

std::uint16_t f32_to_f16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint16_t sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  const std::uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<std::uint16_t>(sign | 0x7e00); // NaN
  if (magnitude >= 0x477ff000) // 65520 and above round to infinity
    return static_cast<std::uint16_t>(sign | 0x7c00);
  if (magnitude < 0x38800000) { // below 2^-14: subnormal; adding 0.5 lets the FPU round to nearest even
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000));
  }
  const std::uint32_t odd = magnitude >> 13 & 1;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}

float bf16_to_f32(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t f32_to_bf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

namespace {

struct F8Form {
  int fraction_bits, bias;
  bool has_infinity; // IEEE's: the highest exponent is infinity and NaN
  bool is_fnuz;      // the byte of -0 is the only NaN
};

float f8_value(const F8Form& form, std::uint8_t bits) {
  constexpr float k_nan = std::numeric_limits<float>::quiet_NaN();
  const int fraction_mask = (1 << form.fraction_bits) - 1;
  const int exponent = (bits & 0x7f) >> form.fraction_bits;
  const int fraction = bits & fraction_mask;
  const int highest = 0x7f >> form.fraction_bits;
  const bool is_negative = bits >= 0x80;
  if (form.is_fnuz && bits == 0x80) return k_nan;
  if (form.has_infinity && exponent == highest)
    return fraction != 0 ? k_nan : is_negative ? -HUGE_VALF : HUGE_VALF;
  if (!form.has_infinity && !form.is_fnuz && (bits & 0x7f) == 0x7f) return k_nan;
  const int whole = exponent == 0 ? fraction : fraction + fraction_mask + 1;
  const float magnitude =
      std::ldexp(static_cast<float>(whole), std::max(exponent, 1) - form.bias - form.fraction_bits);
  return is_negative ? -magnitude : magnitude;
}

} // namespace

float f8_to_f32(DType type, std::uint8_t bits) {
  switch (type) {
  case DType::f8_e4m3fn:
    return f8_value({3, 7, false, false}, bits);
  case DType::f8_e5m2:
    return f8_value({2, 15, true, false}, bits);
  case DType::f8_e4m3fnuz:
    return f8_value({3, 8, false, true}, bits);
  case DType::f8_e5m2fnuz:
    return f8_value({2, 16, false, true}, bits);
  default:
    break;
  }
  MRUN_CHECK(type == DType::f8_e8m0fnu); // a power of two, and NaN
  return bits == 0xff ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0F, bits - 127);
}

Result<Tensor> Tensor::make(DType type, std::vector<std::int64_t> shape) {
  std::size_t count = 1, lists = 1; // `lists`: of the axes before the first one of size 0
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0) return fail(ErrorCode::output_limit, fmt::format("a tensor can't have the size {}", size));
    empty = empty || size == 0;
    if (size > 0 && __builtin_mul_overflow(count, static_cast<std::size_t>(size), &count))
      return fail(ErrorCode::output_limit,
                  fmt::format("a tensor of shape {} is too large", shape_text(shape)));
    if (!empty) lists = count;
  }
  if (empty && lists > k_max_empty_lists)
    return fail(ErrorCode::output_limit,
                fmt::format("a tensor of shape {} holds {} empty lists, at most {} are allowed",
                            shape_text(shape), lists, k_max_empty_lists));
  count = empty ? 0 : count;
  if (shape.size() > k_max_tensor_rank)
    return fail(ErrorCode::output_limit,
                fmt::format("a tensor has {} axes, at most {} are allowed", shape.size(), k_max_tensor_rank));
  if (count > k_max_payload_bytes / row(type).size)
    return fail(ErrorCode::output_limit,
                fmt::format("a tensor of shape {} and type {} is larger than {} MiB", shape_text(shape),
                            row(type).name, k_max_payload_bytes / k_mib));
  Tensor tensor;
  tensor.m_type = type;
  tensor.m_shape = std::move(shape);
  tensor.m_element_count = count;
  tensor.m_data = allocate_zeroed(count * row(type).size);
  if (tensor.m_data == nullptr)
    return fail(ErrorCode::out_of_memory,
                fmt::format("there is no memory for a tensor of shape {}", shape_text(tensor.m_shape)));
  return tensor;
}

void Tensor::reshape(std::vector<std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape)
    count *= size;
  MRUN_CHECK(static_cast<std::size_t>(count) == m_element_count);
  m_shape = std::move(shape);
}

std::string shape_text(std::span<const std::int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Result<Tensor> to_f32(const Tensor& tensor) {
  if (tensor.dtype() == DType::f32) return tensor;
  if (is_complex(tensor.dtype()))
    return fail(ErrorCode::prediction_failed,
                fmt::format("a tensor of {} can't be read as real numbers", dtype_name(tensor.dtype())),
                "let the graph give its parts (torch.view_as_real) or its size (abs)");
  MRUN_ASSIGN(Tensor out, Tensor::make(DType::f32, tensor.shape()));
  const auto halves = [&](float (*convert)(std::uint16_t)) {
    const std::span<const std::uint16_t> from = tensor.as<std::uint16_t>();
    std::transform(from.begin(), from.end(), out.as<float>().begin(), convert);
  };
  switch (tensor.dtype()) {
  case DType::f32:
    break;
  case DType::f64:
    widen<double>(tensor, out);
    break;
  case DType::f16:
    halves(f16_to_f32);
    break;
  case DType::bf16:
    halves(bf16_to_f32);
    break;
  case DType::i8:
    widen<std::int8_t>(tensor, out);
    break;
  case DType::i16:
    widen<std::int16_t>(tensor, out);
    break;
  case DType::i32:
    widen<std::int32_t>(tensor, out);
    break;
  case DType::i64:
    widen<std::int64_t>(tensor, out);
    break;
  case DType::u16:
    widen<std::uint16_t>(tensor, out);
    break;
  case DType::u32:
    widen<std::uint32_t>(tensor, out);
    break;
  case DType::u64:
    widen<std::uint64_t>(tensor, out);
    break;
  case DType::u8:
  case DType::boolean:
    widen<std::uint8_t>(tensor, out);
    break;
  case DType::f8_e4m3fn:
  case DType::f8_e5m2:
  case DType::f8_e4m3fnuz:
  case DType::f8_e5m2fnuz:
  case DType::f8_e8m0fnu:
    std::ranges::transform(tensor.as<std::uint8_t>(), out.as<float>().begin(),
                           [&](std::uint8_t bits) { return f8_to_f32(tensor.dtype(), bits); });
    break;
  case DType::c32:
  case DType::c64:
  case DType::c128:
    break; // refused above
  }
  return out;
}

} // namespace mrun
