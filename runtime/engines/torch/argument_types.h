// Which types of operators' arguments the executor fills in from a program (operands.cpp); null for an
// Optional is always one.
#pragma once

#include <ATen/core/jit_type.h>

namespace mrun::torch_engine {

inline bool is_carried_in_lists(c10::TypeKind kind) {
  using c10::TypeKind;
  switch (kind) {
  case TypeKind::TensorType:
  case TypeKind::NumberType:
  case TypeKind::FloatType:
  case TypeKind::IntType:
  case TypeKind::SymIntType:
  case TypeKind::BoolType:
  case TypeKind::StringType:
    return true;
  default:
    return false;
  }
}

inline bool is_carried(const c10::Type& type) {
  using c10::TypeKind;
  if (type.kind() == TypeKind::OptionalType)
    return is_carried(*type.expectRef<c10::OptionalType>().getElementType());
  if (type.kind() != TypeKind::ListType)
    return type.kind() == TypeKind::DeviceObjType || is_carried_in_lists(type.kind());
  const c10::TypePtr element = type.expectRef<c10::ListType>().getElementType();
  if (element->kind() == TypeKind::OptionalType)
    return element->expectRef<c10::OptionalType>().getElementType()->kind() == TypeKind::TensorType;
  return is_carried_in_lists(element->kind());
}

} // namespace mrun::torch_engine
