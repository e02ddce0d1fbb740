// The worker's own tensor for pre and post steps: contiguous, row-major, on the CPU, without LibTorch.
#pragma once

#include <array>
#include <bit>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace mrun {

// Every dtype that LibTorch's files may have. c32, c64, c128: complex numbers of two f16, f32, f64. f8_*:
// floats of a byte as in "FP8 Formats for Deep Learning" (arXiv 2209.05433) and the OCP MX specification
// (e8m0fnu); fnuz has no infinity and no negative zero (arXiv 2206.02915).
enum class DType : std::uint8_t {
  f32,
  f64,
  f16,
  bf16,
  i8,
  i16,
  i32,
  i64,
  u8,
  boolean,
  u16,
  u32,
  u64,
  c32,
  c64,
  c128,
  f8_e4m3fn,
  f8_e5m2,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  f8_e8m0fnu
};

std::size_t dtype_size(DType type);
std::string_view dtype_name(DType type);             // "f32", …, "bool"
bool find_dtype(std::string_view name, DType& type); // false: no such name
bool is_complex(DType type);
bool is_f8(DType type);
// DLPack code and bits (mrun_tensor).
std::uint8_t dlpack_code(DType type);
bool dtype_of_dlpack(std::uint8_t code, std::uint8_t bits, std::uint16_t lanes, DType& type);

class Tensor {
 public:
  Tensor() = default;
  // Zero-filled. Error output_limit when the product of the sizes overflows or passes k_max_payload_bytes.
  static Result<Tensor> make(DType type, std::vector<std::int64_t> shape);

  DType dtype() const { return m_type; }
  const std::vector<std::int64_t>& shape() const { return m_shape; }
  std::size_t element_count() const { return m_element_count; }
  std::size_t size_bytes() const { return m_element_count * dtype_size(m_type); }
  void* data() { return m_data.get(); }
  const void* data() const { return m_data.get(); }
  // The elements as T, which must have the dtype's size.
  template<class T>
  std::span<T> as() {
    MRUN_CHECK(sizeof(T) == dtype_size(m_type));
    return {static_cast<T*>(data()), m_element_count};
  }
  template<class T>
  std::span<const T> as() const {
    MRUN_CHECK(sizeof(T) == dtype_size(m_type));
    return {static_cast<const T*>(data()), m_element_count};
  }
  // The same elements under another shape of the same count (1s added or removed).
  void reshape(std::vector<std::int64_t> shape);

 private:
  DType m_type = DType::f32;
  std::vector<std::int64_t> m_shape;
  std::size_t m_element_count = 0;
  std::shared_ptr<std::byte[]>
      m_data; // shared: copies of a Tensor are views of one buffer (steps never write into an input)
};

std::string shape_text(std::span<const std::int64_t> shape); // "[1, 3, 224, 224]"

// IEEE 754 binary16 and bfloat16 as bit patterns; to the nearest, ties to even.
float f16_to_f32(std::uint16_t half);
std::uint16_t f32_to_f16(float value);
float bf16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_bf16(float value);
// The value of a byte as one of the f8 types.
float f8_to_f32(DType type, std::uint8_t bits);

// Calls `visit` with element `index`, in row-major order, as what it is to a reader: float (f32, f16, bf16,
// f8), double, std::int64_t, std::uint64_t (u64), bool, std::complex<float> (c32, c64) or
// std::complex<double>.
template<class Visit>
decltype(auto) visit_element(const Tensor& tensor, std::size_t index, Visit&& visit) {
  switch (tensor.dtype()) {
  case DType::f32:
    return visit(tensor.as<float>()[index]);
  case DType::f64:
    return visit(tensor.as<double>()[index]);
  case DType::f16:
    return visit(f16_to_f32(tensor.as<std::uint16_t>()[index]));
  case DType::bf16:
    return visit(bf16_to_f32(tensor.as<std::uint16_t>()[index]));
  case DType::i8:
    return visit(std::int64_t{tensor.as<std::int8_t>()[index]});
  case DType::i16:
    return visit(std::int64_t{tensor.as<std::int16_t>()[index]});
  case DType::i32:
    return visit(std::int64_t{tensor.as<std::int32_t>()[index]});
  case DType::i64:
    return visit(tensor.as<std::int64_t>()[index]);
  case DType::u8:
    return visit(std::int64_t{tensor.as<std::uint8_t>()[index]});
  case DType::u16:
    return visit(std::int64_t{tensor.as<std::uint16_t>()[index]});
  case DType::u32:
    return visit(std::int64_t{tensor.as<std::uint32_t>()[index]});
  case DType::u64:
    return visit(tensor.as<std::uint64_t>()[index]);
  case DType::c32: {
    const auto parts = std::bit_cast<std::array<std::uint16_t, 2>>(tensor.as<std::uint32_t>()[index]);
    return visit(std::complex<float>(f16_to_f32(parts[0]), f16_to_f32(parts[1])));
  }
  case DType::c64:
    return visit(tensor.as<std::complex<float>>()[index]);
  case DType::c128:
    return visit(tensor.as<std::complex<double>>()[index]);
  case DType::f8_e4m3fn:
  case DType::f8_e5m2:
  case DType::f8_e4m3fnuz:
  case DType::f8_e5m2fnuz:
  case DType::f8_e8m0fnu:
    return visit(f8_to_f32(tensor.dtype(), tensor.as<std::uint8_t>()[index]));
  case DType::boolean:
    break;
  }
  return visit(tensor.as<std::uint8_t>()[index] != 0);
}

// Every type but f32 and the complex ones → f32 copy; f32 → the same buffer. Error prediction_failed for a
// complex one, which has no order and no one number.
Result<Tensor> to_f32(const Tensor& tensor);

} // namespace mrun
