#include "runtime/tensor_json.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace mrun {
namespace {

template<class T>
void append_integer(T value, std::string& out) {
  std::array<char, 24> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  out.append(buffer.data(), end.ptr);
}

template<class T>
void append_float(T value, std::string& out) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
  out += text;
  if (text.find_first_of(".e") == std::string_view::npos)
    out += ".0"; // a float stays one for readers that tell the two apart
}

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu;
  const std::uint32_t fraction = half & 0x3ffu;
  if (exponent == 0) // zero and subnormals: fraction · 2⁻²⁴
    return (sign != 0 ? -1.0F : 1.0F) * std::ldexp(static_cast<float>(fraction), -24);
  const std::uint32_t wide = exponent == 31 ? 0xffu : exponent + 112;
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

template<class T>
T element(const Tensor& tensor, std::size_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(tensor.data()) + index * sizeof(T), sizeof(T));
  return value;
}

void append_element(const Tensor& tensor, std::size_t index, std::string& out) {
  switch (tensor.dtype()) {
  case DType::f32:
    return append_float(element<float>(tensor, index), out);
  case DType::f64:
    return append_float(element<double>(tensor, index), out);
  case DType::f16:
    return append_float(half_to_float(element<std::uint16_t>(tensor, index)), out);
  case DType::bf16:
    return append_float(
        std::bit_cast<float>(static_cast<std::uint32_t>(element<std::uint16_t>(tensor, index)) << 16), out);
  case DType::i8:
    return append_integer(element<std::int8_t>(tensor, index), out);
  case DType::i16:
    return append_integer(element<std::int16_t>(tensor, index), out);
  case DType::i32:
    return append_integer(element<std::int32_t>(tensor, index), out);
  case DType::i64:
    return append_integer(element<std::int64_t>(tensor, index), out);
  case DType::u8:
    return append_integer(element<std::uint8_t>(tensor, index), out);
  case DType::boolean:
    out += element<std::uint8_t>(tensor, index) != 0 ? "true" : "false";
    return;
  }
}

void append_level(const Tensor& tensor, std::span<const std::int64_t> shape, std::size_t& index,
                  std::string& out) {
  if (shape.empty()) return append_element(tensor, index++, out);
  out += '[';
  for (std::int64_t i = 0; i < shape.front(); ++i) {
    if (i > 0) out += ',';
    append_level(tensor, shape.subspan(1), index, out);
  }
  out += ']';
}

} // namespace

void append_tensor_json(const Tensor& tensor, std::span<const std::int64_t> shape, std::string& out) {
  std::size_t index = 0;
  out.reserve(out.size() + tensor.element_count() * 10);
  append_level(tensor, shape, index, out);
}

std::span<const std::int64_t> example_shape(const Tensor& tensor) {
  std::span<const std::int64_t> shape = tensor.shape();
  return shape.size() >= 2 && shape.front() == 1 ? shape.subspan(1) : shape;
}

} // namespace mrun
