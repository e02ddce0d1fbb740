#include "runtime/steps/tensor_json.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <complex>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_json_elements = 16 * k_mib;

struct ElementJson {
  Json operator()(std::int64_t value) const { return value; }
  Json operator()(std::uint64_t value) const { return value; }
  Json operator()(bool value) const { return value; }
  Json operator()(float value) const { return number_json(value); }
  Json operator()(double value) const { return std::isfinite(value) ? Json(value) : Json(); }
  template<class T>
  Json operator()(std::complex<T> value) const {
    return Json::array({(*this)(value.real()), (*this)(value.imag())});
  }
};

Json axis_json(const Tensor& tensor, std::size_t axis, std::size_t& at) {
  if (axis == tensor.shape().size()) return visit_element(tensor, at++, ElementJson{});
  Json list = Json::array();
  Json::array_t& items = list.get_ref<Json::array_t&>();
  items.reserve(static_cast<std::size_t>(tensor.shape()[axis]));
  for (std::int64_t i = 0; i < tensor.shape()[axis]; ++i)
    items.push_back(axis_json(tensor, axis + 1, at));
  return list;
}

// Fills a tensor from nested lists, depth first.
class JsonReader {
 public:
  explicit JsonReader(Tensor& tensor) : m_tensor(tensor) {}

  Result<void> read(const Json& json, std::size_t axis) {
    if (axis == m_tensor.shape().size()) return set(json);
    const std::size_t size = static_cast<std::size_t>(m_tensor.shape()[axis]);
    if (!json.is_array())
      return wrong(fmt::format("{} stands where a list of {} was expected", json.type_name(), size));
    if (json.size() != size)
      return wrong(fmt::format("a list has {} items, the first one beside it has {}", json.size(), size));
    for (std::size_t i = 0; i < size; ++i) {
      m_path.push_back(i);
      MRUN_TRY(read(json[i], axis + 1));
      m_path.pop_back();
    }
    return {};
  }

 private:
  tl::unexpected<Error> wrong(std::string_view what) const {
    std::string place;
    for (const std::size_t index : m_path)
      place += fmt::format("[{}]", index);
    return fail(ErrorCode::input_type,
                place.empty() ? std::string(what) : fmt::format("at {}: {}", place, what));
  }

  template<class T>
  Result<void> set_integer(const Json& json) {
    const bool fits = json.is_number_unsigned()  ? std::in_range<T>(json.get<std::uint64_t>())
                      : json.is_number_integer() ? std::in_range<T>(json.get<std::int64_t>())
                                                 : false;
    if (!fits)
      return wrong(
          fmt::format("{} is no {}", printable(canonical_json(json), 40), dtype_name(m_tensor.dtype())));
    m_tensor.as<T>()[m_at++] = json.get<T>();
    return {};
  }

  Result<void> set_complex(const Json& json) {
    if (!json.is_array() || json.size() != 2 || !json[0].is_number() || !json[1].is_number())
      return wrong(fmt::format("{} is no complex number, which is [real, imaginary]",
                               printable(canonical_json(json), 40)));
    const std::size_t at = m_at++;
    if (m_tensor.dtype() == DType::c128)
      m_tensor.as<std::complex<double>>()[at] = {json[0].get<double>(), json[1].get<double>()};
    else if (m_tensor.dtype() == DType::c64)
      m_tensor.as<std::complex<float>>()[at] = {json[0].get<float>(), json[1].get<float>()};
    else
      m_tensor.as<std::uint32_t>()[at] = std::bit_cast<std::uint32_t>(
          std::array{f32_to_f16(json[0].get<float>()), f32_to_f16(json[1].get<float>())});
    return {};
  }

  Result<void> set(const Json& json) {
    if (m_tensor.dtype() == DType::boolean) {
      if (!json.is_boolean())
        return wrong(fmt::format("{} is not true or false", printable(canonical_json(json), 40)));
      m_tensor.as<std::uint8_t>()[m_at++] = json.get<bool>() ? 1 : 0;
      return {};
    }
    if (is_complex(m_tensor.dtype())) return set_complex(json);
    if (!json.is_number()) return wrong(fmt::format("{} is no number", printable(canonical_json(json), 40)));
    switch (m_tensor.dtype()) {
    case DType::f32:
      m_tensor.as<float>()[m_at++] = json.get<float>();
      break;
    case DType::f64:
      m_tensor.as<double>()[m_at++] = json.get<double>();
      break;
    case DType::f16:
      m_tensor.as<std::uint16_t>()[m_at++] = f32_to_f16(json.get<float>());
      break;
    case DType::bf16:
      m_tensor.as<std::uint16_t>()[m_at++] = f32_to_bf16(json.get<float>());
      break;
    case DType::i8:
      return set_integer<std::int8_t>(json);
    case DType::i16:
      return set_integer<std::int16_t>(json);
    case DType::i32:
      return set_integer<std::int32_t>(json);
    case DType::i64:
      return set_integer<std::int64_t>(json);
    case DType::u8:
      return set_integer<std::uint8_t>(json);
    case DType::u16:
      return set_integer<std::uint16_t>(json);
    case DType::u32:
      return set_integer<std::uint32_t>(json);
    case DType::u64:
      return set_integer<std::uint64_t>(json);
    default: // bool and complex: above; f8 is refused by tensor_from_json()
      break;
    }
    return {};
  }

  Tensor& m_tensor;
  std::vector<std::size_t> m_path;
  std::size_t m_at = 0;
};

} // namespace

Json number_json(float value) {
  if (!std::isfinite(value)) return {};
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  double wide = 0;
  std::from_chars(text, end, wide);
  return wide;
}

Result<Json> tensor_to_json(const Tensor& tensor) {
  if (tensor.element_count() > k_max_json_elements)
    return fail(
        ErrorCode::output_limit,
        fmt::format("a tensor of {} elements is too large for JSON, at most {} are allowed; use to_npy",
                    tensor.element_count(), k_max_json_elements));
  std::size_t at = 0;
  return axis_json(tensor, 0, at);
}

Result<Tensor> tensor_from_json(const Json& json, DType type) {
  if (is_f8(type))
    return fail(ErrorCode::input_type, fmt::format("JSON has no rule to round to {}", dtype_name(type)),
                "give it as .safetensors (from_safetensors), or let the graph convert from f32");
  std::vector<std::int64_t> shape;
  for (const Json* level = &json; level->is_array(); level = &level->front()) {
    if (shape.size() == k_max_tensor_rank)
      return fail(ErrorCode::input_type,
                  fmt::format("the lists are nested more than {} deep", k_max_tensor_rank));
    shape.push_back(static_cast<std::int64_t>(level->size()));
    if (level->empty()) break;
  }
  if (is_complex(type) && !shape.empty()) shape.pop_back(); // the innermost lists are the numbers
  // Checked before allocating: the shape comes from the first lists only, so a small text could claim a large
  // tensor.
  std::size_t claimed = 1;
  for (const std::int64_t size : shape)
    if (__builtin_mul_overflow(claimed, static_cast<std::size_t>(size), &claimed) ||
        claimed > k_max_payload_bytes / 8)
      return fail(ErrorCode::input_type, "the lists are too large");
  MRUN_ASSIGN(Tensor tensor, Tensor::make(type, std::move(shape)));
  MRUN_TRY(JsonReader(tensor).read(json, 0));
  return tensor;
}

Tensor without_batch_axis(Tensor tensor) {
  if (!tensor.shape().empty() && tensor.shape().front() == 1)
    tensor.reshape({tensor.shape().begin() + 1, tensor.shape().end()});
  return tensor;
}

} // namespace mrun
