#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include <fmt/format.h>

#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

// Floats to integers cut towards zero and stay inside of the type's range, NaN is 0; integers to smaller
// integers keep the low bits, as in NumPy.
template<class To, class From>
To convert(From value) {
  if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    constexpr double low = static_cast<double>(std::numeric_limits<To>::min());
    constexpr double high = static_cast<double>(std::numeric_limits<To>::max());
    const double wide = static_cast<double>(value);
    if (std::isnan(wide)) return 0;
    return wide <= low    ? std::numeric_limits<To>::min()
           : wide >= high ? std::numeric_limits<To>::max()
                          : static_cast<To>(wide);
  } else {
    return static_cast<To>(value);
  }
}

template<class From, class To>
void convert_all(const Tensor& from, Tensor& to) {
  std::transform(from.as<From>().begin(), from.as<From>().end(), to.as<To>().begin(), convert<To, From>);
}

template<class From>
void convert_from(const Tensor& from, Tensor& to) {
  const std::span<const From> values = from.as<From>();
  switch (to.dtype()) {
  case DType::f32:
    convert_all<From, float>(from, to);
    break;
  case DType::f64:
    convert_all<From, double>(from, to);
    break;
  case DType::f16:
    std::transform(values.begin(), values.end(), to.as<std::uint16_t>().begin(),
                   [](From value) { return f32_to_f16(static_cast<float>(value)); });
    break;
  case DType::bf16:
    std::transform(values.begin(), values.end(), to.as<std::uint16_t>().begin(),
                   [](From value) { return f32_to_bf16(static_cast<float>(value)); });
    break;
  case DType::i8:
    convert_all<From, std::int8_t>(from, to);
    break;
  case DType::i16:
    convert_all<From, std::int16_t>(from, to);
    break;
  case DType::i32:
    convert_all<From, std::int32_t>(from, to);
    break;
  case DType::i64:
    convert_all<From, std::int64_t>(from, to);
    break;
  case DType::u8:
    convert_all<From, std::uint8_t>(from, to);
    break;
  case DType::u16:
    convert_all<From, std::uint16_t>(from, to);
    break;
  case DType::u32:
    convert_all<From, std::uint32_t>(from, to);
    break;
  case DType::u64:
    convert_all<From, std::uint64_t>(from, to);
    break;
  case DType::boolean:
    std::transform(values.begin(), values.end(), to.as<std::uint8_t>().begin(),
                   [](From value) { return static_cast<std::uint8_t>(value != From{0}); });
    break;
  default: // make_step_cast() lets no other through
    MRUN_CHECK(false);
  }
}

class Cast final : public TensorStep {
 public:
  Cast(const StepOptions& options, DType type) : TensorStep(options), m_type(type) {}

 private:
  Result<Tensor> apply(const Tensor& input, const StepContext&) const override {
    if (input.dtype() == m_type) return input;
    if (input.dtype() == DType::f16 || input.dtype() == DType::bf16 || is_f8(input.dtype()) ||
        is_complex(input.dtype())) { // the last with an error
      MRUN_ASSIGN(const Tensor wide, to_f32(input));
      return m_type == DType::f32 ? wide : apply(wide);
    }
    return apply(input);
  }

  Result<Tensor> apply(const Tensor& input) const {
    MRUN_ASSIGN(Tensor out, Tensor::make(m_type, input.shape()));
    switch (input.dtype()) {
    case DType::f32:
      convert_from<float>(input, out);
      break;
    case DType::f64:
      convert_from<double>(input, out);
      break;
    case DType::i8:
      convert_from<std::int8_t>(input, out);
      break;
    case DType::i16:
      convert_from<std::int16_t>(input, out);
      break;
    case DType::i32:
      convert_from<std::int32_t>(input, out);
      break;
    case DType::i64:
      convert_from<std::int64_t>(input, out);
      break;
    case DType::u16:
      convert_from<std::uint16_t>(input, out);
      break;
    case DType::u32:
      convert_from<std::uint32_t>(input, out);
      break;
    case DType::u64:
      convert_from<std::uint64_t>(input, out);
      break;
    case DType::u8:
    case DType::boolean:
      convert_from<std::uint8_t>(input, out);
      break;
    default: // apply() above widens them first
      MRUN_CHECK(false);
    }
    return out;
  }

  DType m_type;
};

} // namespace

Result<std::unique_ptr<Step>> make_step_cast(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_cast(const StepOptions& options, StepFiles&) {
  const OptionReader reader("cast", options, {"dtype"});
  MRUN_TRY(reader.check_names());
  if (!reader.has("dtype")) return reader.error("option `dtype` is missing");
  MRUN_ASSIGN(const DType type, reader.dtype("dtype", "f32"));
  if (is_complex(type) || is_f8(type))
    return reader.error(fmt::format("option `dtype` is {}, to which nothing is cast", dtype_name(type)));
  return std::make_unique<Cast>(options, type);
}

} // namespace mrun
