#include "runtime/engines/torch/script_inputs.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "common/json.h"
#include "common/text.h"
#include "runtime/engines/torch/device.h"
#include "runtime/engines/torch/tensors.h"

namespace mrun::torch_engine {
namespace {

using c10::IValue;
using c10::TypeKind;
using Given = Result<std::optional<IValue>>; // nullopt: nothing of it is given

std::string type_text(const c10::TypePtr& type) {
  return printable(type->annotation_str(), 200);
}

bool is_supported(const c10::TypePtr& type) {
  switch (type->kind()) {
  case TypeKind::TensorType:
  case TypeKind::IntType:
  case TypeKind::FloatType:
  case TypeKind::BoolType:
  case TypeKind::StringType:
  case TypeKind::NumberType:
    return true;
  case TypeKind::TupleType:
    if (type->expectRef<c10::TupleType>().schema() != nullptr) return false; // a namedtuple
    break;
  case TypeKind::DictType:
    if (type->expectRef<c10::DictType>().getKeyType()->kind() != TypeKind::StringType) return false;
    break;
  case TypeKind::OptionalType:
  case TypeKind::ListType:
    break;
  default:
    return false;
  }
  return std::ranges::all_of(type->containedTypes(), is_supported);
}

bool holds_tensors(const c10::TypePtr& type) {
  return type->kind() == TypeKind::TensorType || std::ranges::any_of(type->containedTypes(), holds_tensors);
}

tl::unexpected<Error> wrong_type(const std::string& name, const c10::TypePtr& type) {
  return fail(ErrorCode::input_type,
              fmt::format("input `{}` does not fit its type {}", name, type_text(type)));
}

Result<IValue> value_of_json(const Json& json, const c10::TypePtr& type, const std::string& name);

Result<IValue> list_of_json(const Json& json, const c10::ListType& type, const std::string& name) {
  c10::impl::GenericList list(type.getElementType());
  for (const Json& part : json) {
    MRUN_ASSIGN(IValue element, value_of_json(part, type.getElementType(), name));
    list.push_back(std::move(element));
  }
  return IValue(std::move(list));
}

Result<IValue> tuple_of_json(const Json& json, const c10::TupleType& type, const std::string& name) {
  std::vector<IValue> elements;
  for (std::size_t i = 0; i < json.size(); ++i) {
    MRUN_ASSIGN(IValue element, value_of_json(json[i], type.elements()[i], name));
    elements.push_back(std::move(element));
  }
  return IValue(c10::ivalue::Tuple::create(std::move(elements)));
}

Result<IValue> dict_of_json(const Json& json, const c10::DictType& type, const std::string& name) {
  c10::impl::GenericDict dict(type.getKeyType(), type.getValueType());
  for (const auto& [key, part] : json.items()) {
    MRUN_ASSIGN(IValue element, value_of_json(part, type.getValueType(), name));
    dict.insert(key, std::move(element));
  }
  return IValue(std::move(dict));
}

bool is_int64(const Json& json) {
  return json.is_number_integer() && !(json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX);
}

// Recursion is as deep as the type, which the program has.
Result<IValue> value_of_json(const Json& json, const c10::TypePtr& type, const std::string& name) {
  switch (type->kind()) {
  case TypeKind::OptionalType:
    if (json.is_null()) return IValue();
    return value_of_json(json, type->expectRef<c10::OptionalType>().getElementType(), name);
  case TypeKind::IntType:
    if (is_int64(json)) return IValue(json.get<std::int64_t>());
    break;
  case TypeKind::FloatType:
    if (json.is_number()) return IValue(json.get<double>());
    break;
  case TypeKind::NumberType:
    if (is_int64(json)) return IValue(json.get<std::int64_t>());
    if (json.is_number()) return IValue(json.get<double>());
    break;
  case TypeKind::BoolType:
    if (json.is_boolean()) return IValue(json.get<bool>());
    break;
  case TypeKind::StringType:
    if (json.is_string()) return IValue(json.get<std::string>());
    break;
  case TypeKind::ListType:
    if (json.is_array()) return list_of_json(json, type->expectRef<c10::ListType>(), name);
    break;
  case TypeKind::TupleType: {
    const auto& tuple = type->expectRef<c10::TupleType>();
    if (json.is_array() && json.size() == tuple.elements().size()) return tuple_of_json(json, tuple, name);
    break;
  }
  case TypeKind::DictType:
    if (json.is_object()) return dict_of_json(json, type->expectRef<c10::DictType>(), name);
    break;
  default:
    break;
  }
  return wrong_type(name, type);
}

// A number may come as a tensor of one element.
Result<IValue> number_of_tensor(const at::Tensor& tensor, const c10::TypePtr& type, const std::string& name) {
  if (tensor.numel() != 1 || tensor.is_complex()) return wrong_type(name, type);
  const c10::Scalar number = tensor.item();
  if (type->kind() == TypeKind::FloatType) return IValue(number.toDouble());
  const bool fits = type->kind() == TypeKind::NumberType ||
                    (type->kind() == TypeKind::IntType && number.isIntegral(false)) ||
                    (type->kind() == TypeKind::BoolType && number.isBoolean());
  return fits ? Result<IValue>(IValue(number)) : wrong_type(name, type);
}

class Binder {
 public:
  Binder(const mrun_request& request, c10::Device device) : m_request(request), m_device(device) {}

  Given take(const c10::TypePtr& type, const std::string& path) const {
    if (const mrun_value* value = find_input(m_request, path)) {
      MRUN_ASSIGN(IValue whole, whole_value(*value, type, path));
      return std::optional<IValue>(std::move(whole));
    }
    switch (type->kind()) {
    case TypeKind::OptionalType:
      return take(type->expectRef<c10::OptionalType>().getElementType(), path);
    case TypeKind::ListType:
      return take_list(type->expectRef<c10::ListType>(), path);
    case TypeKind::TupleType:
      return take_tuple(type->expectRef<c10::TupleType>(), path);
    case TypeKind::DictType:
      return take_dict(type->expectRef<c10::DictType>(), path);
    default:
      return std::optional<IValue>();
    }
  }

  // From JSON of the argument's own name, which may also be an input that a step reads.
  Given take_json(const c10::TypePtr& type, const std::string& name) const {
    const mrun_value* value = holds_tensors(type) ? nullptr : find_input(m_request, name);
    if (value == nullptr) return std::optional<IValue>();
    MRUN_ASSIGN(IValue whole, whole_value(*value, type, name));
    return std::optional<IValue>(std::move(whole));
  }

 private:
  Result<IValue> whole_value(const mrun_value& value, const c10::TypePtr& type,
                             const std::string& path) const {
    const c10::TypePtr inner =
        type->kind() == TypeKind::OptionalType ? type->expectRef<c10::OptionalType>().getElementType() : type;
    if (value.kind == MRUN_VALUE_TENSOR) {
      MRUN_ASSIGN(at::Tensor tensor, tensor_of(*value.tensor, path));
      if (inner->kind() != TypeKind::TensorType) return number_of_tensor(tensor, inner, path);
      return IValue(m_device.is_cpu() ? tensor.clone() : to_device(std::move(tensor), m_device));
    }
    if (value.kind != MRUN_VALUE_JSON)
      return fail(ErrorCode::input_type, fmt::format("`{}` is neither a tensor nor JSON", path));
    MRUN_ASSIGN(const Json json, parse_json(view_of(value.text), ErrorCode::input_type, path));
    return value_of_json(json, type, path);
  }

  Given take_list(const c10::ListType& type, const std::string& path) const {
    c10::impl::GenericList list(type.getElementType());
    for (std::size_t i = 0;; ++i) {
      MRUN_ASSIGN(std::optional<IValue> element, take(type.getElementType(), fmt::format("{}.{}", path, i)));
      if (!element) break;
      list.push_back(std::move(*element));
    }
    if (list.empty()) return std::optional<IValue>();
    return std::optional<IValue>(std::move(list));
  }

  Given take_tuple(const c10::TupleType& type, const std::string& path) const {
    std::vector<IValue> elements;
    std::string missing;
    bool is_given = false;
    for (std::size_t i = 0; i < type.elements().size(); ++i) {
      const std::string inner = fmt::format("{}.{}", path, i);
      MRUN_ASSIGN(std::optional<IValue> element, take(type.elements()[i], inner));
      is_given = is_given || element.has_value();
      if (!element && type.elements()[i]->kind() != TypeKind::OptionalType && missing.empty())
        missing = inner;
      elements.push_back(element ? std::move(*element) : IValue());
    }
    if (!is_given) return std::optional<IValue>();
    if (!missing.empty())
      return fail(ErrorCode::input_missing, fmt::format("the program's input `{}` was not given", missing));
    return std::optional<IValue>(c10::ivalue::Tuple::create(std::move(elements)));
  }

  // The keys are what the inputs' names have behind the path: up to a dot when the values are nested, too.
  Given take_dict(const c10::DictType& type, const std::string& path) const {
    const TypeKind kind = type.getValueType()->kind();
    const bool nested =
        kind == TypeKind::ListType || kind == TypeKind::TupleType || kind == TypeKind::DictType;
    std::set<std::string> keys;
    for (std::size_t i = 0; i < m_request.input_count; ++i) {
      std::string_view name = view_of(m_request.inputs[i].name);
      if (!name.starts_with(path + ".")) continue;
      name.remove_prefix(path.size() + 1);
      keys.emplace(nested ? name.substr(0, name.find('.')) : name);
    }
    if (keys.empty()) return std::optional<IValue>();
    c10::impl::GenericDict dict(type.getKeyType(), type.getValueType());
    for (const std::string& key : keys) {
      MRUN_ASSIGN(std::optional<IValue> element, take(type.getValueType(), path + "." + key));
      if (!element) return wrong_type(path + "." + key, type.getValueType());
      dict.insert(key, std::move(*element));
    }
    return std::optional<IValue>(std::move(dict));
  }

  const mrun_request& m_request;
  c10::Device m_device;
};

} // namespace

Result<void> check_script_inputs(const c10::FunctionSchema& forward) {
  for (std::size_t i = 1; i < forward.arguments().size(); ++i) { // 0 is self
    const c10::Argument& argument = forward.arguments()[i];
    if (is_supported(argument.type()) || argument.default_value()) continue;
    return fail(ErrorCode::engine_unsupported,
                fmt::format("TorchScript: `forward` takes `{}` of type {}, which no input can be",
                            printable(argument.name(), 80), type_text(argument.type())),
                "let it take tensors, numbers, text, or lists, tuples and dicts (by text) of them");
  }
  return {};
}

Result<std::vector<IValue>> bind_script_inputs(const mrun_request& request,
                                               const c10::FunctionSchema& forward, c10::Device device) {
  const Binder binder(request, device);
  std::vector<IValue> values;
  for (std::size_t i = 1; i < forward.arguments().size(); ++i) {
    const c10::Argument& argument = forward.arguments()[i];
    std::optional<IValue> value;
    if (is_supported(argument.type())) { // others have their default
      MRUN_ASSIGN(value, binder.take(argument.type(), "in." + argument.name()));
      if (!value) {
        MRUN_ASSIGN(value, binder.take(argument.type(), fmt::format("in.{}", i - 1)));
      }
      if (!value) {
        MRUN_ASSIGN(value, binder.take_json(argument.type(), argument.name()));
      }
    }
    if (!value && argument.default_value()) value = *argument.default_value();
    if (!value && argument.type()->kind() == TypeKind::OptionalType) value = IValue();
    if (!value)
      return fail(ErrorCode::input_missing,
                  fmt::format("the program's input `in.{}` was not given", argument.name()),
                  fmt::format("a pre step of mrun.yaml writes it: `to: in.{}{}`", argument.name(),
                              argument.type()->containedTypes().empty() ? "" : ".0"));
    values.push_back(std::move(*value));
  }
  return values;
}

} // namespace mrun::torch_engine
