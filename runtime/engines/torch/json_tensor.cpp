#include "runtime/engines/torch/json_tensor.h"

#include <fmt/format.h>

#include "common/json.h"
#include "common/text.h"
#include "runtime/engines/torch/tensors.h"
#include "runtime/engines/torch/types.h"

namespace mrun::torch_engine {
namespace {

class ListReader {
 public:
  ListReader(c10::ScalarType type, std::string_view name) : m_type(type), m_name(name) {}

  Result<at::Tensor> read(const Json& json) {
    for (const Json* inner = &json; inner->is_array(); inner = &inner->front()) {
      m_shape.push_back(static_cast<std::int64_t>(inner->size()));
      if (m_shape.size() > k_max_tensor_dims) return refuse("has too many axes");
      if (inner->empty()) break;
    }
    MRUN_TRY(walk(json, 0));
    return c10::isIntegralType(m_type, true) ? integers() : reals();
  }

 private:
  tl::unexpected<Error> refuse(std::string_view why) const {
    return fail(ErrorCode::input_type, fmt::format("`{}` {}", m_name, why));
  }

  Result<void> walk(const Json& json, std::size_t axis) {
    if (axis == m_shape.size()) return take(json);
    if (!json.is_array() || static_cast<std::int64_t>(json.size()) != m_shape[axis])
      return refuse("is no nested list whose parts are equally long");
    for (const Json& part : json)
      MRUN_TRY(walk(part, axis + 1));
    return {};
  }

  Result<void> take(const Json& json) {
    if (m_type == c10::ScalarType::Bool) {
      if (!json.is_boolean()) return refuse("takes true and false");
      m_integers.push_back(json.get<bool>() ? 1 : 0);
    } else if (m_type == c10::ScalarType::UInt64) {
      if (!json.is_number_unsigned()) return refuse("takes integers from 0 (u64)");
      m_integers.push_back(static_cast<std::int64_t>(json.get<std::uint64_t>())); // its bits
    } else if (c10::isIntegralType(m_type, false)) {
      if (!json.is_number_integer()) return refuse(fmt::format("takes integers ({})", type_name(m_type)));
      if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX)
        return refuse(fmt::format("has {}, which is too large", json.dump()));
      m_integers.push_back(json.get<std::int64_t>());
    } else {
      if (!json.is_number()) return refuse(fmt::format("takes numbers ({})", type_name(m_type)));
      m_reals.push_back(json.get<double>());
    }
    return {};
  }

  Result<at::Tensor> integers() const {
    const at::Tensor wide = at::tensor(m_integers, at::kLong).reshape(m_shape);
    if (m_type == c10::ScalarType::UInt64) return wide.view(m_type);
    at::Tensor tensor = wide.to(m_type);
    if (!at::equal(tensor.to(at::kLong), wide))
      return fail(ErrorCode::input_range,
                  fmt::format("`{}` has a number that {} does not hold", m_name, type_name(m_type)));
    return tensor;
  }

  // A complex number is [real, imaginary].
  Result<at::Tensor> reals() const {
    const at::Tensor wide = at::tensor(m_reals, at::kDouble).reshape(m_shape);
    if (!c10::isComplexType(m_type)) return wide.to(m_type);
    if (m_shape.empty() || m_shape.back() != 2)
      return fail(
          ErrorCode::input_type,
          fmt::format("`{}` is complex: each number is a list of its real and imaginary part", m_name));
    return at::view_as_complex(wide).to(m_type);
  }

  c10::ScalarType m_type;
  std::string_view m_name;
  std::vector<std::int64_t> m_shape;
  std::vector<std::int64_t> m_integers;
  std::vector<double> m_reals;
};

} // namespace

bool may_be_tensor(std::string_view text) {
  text = trim(text);
  return !text.empty() && std::string_view("[-0123456789tf").find(text.front()) != std::string_view::npos;
}

Result<at::Tensor> tensor_of_json(std::string_view text, c10::ScalarType type, std::string_view name) {
  MRUN_ASSIGN(const Json json, parse_json(text, ErrorCode::input_type, name));
  return ListReader(type, name).read(json);
}

} // namespace mrun::torch_engine
