// Which types of operators' arguments the executor fills in from a program (operands.cpp); null for an
// Optional is always one.
#pragma once

#include <ATen/core/jit_type.h>

namespace mrun::torch_engine {

inline bool is_carried(const c10::Type& type) {
  using c10::TypeKind;
  switch (type.kind()) {
  case TypeKind::OptionalType:
    return is_carried(*type.expectRef<c10::OptionalType>().getElementType());
  case TypeKind::TensorType:
  case TypeKind::NumberType:
  case TypeKind::FloatType:
  case TypeKind::IntType:
  case TypeKind::SymIntType:
  case TypeKind::BoolType:
  case TypeKind::StringType:
  case TypeKind::DeviceObjType:
    return true;
  case TypeKind::ListType:
    break;
  default:
    return false;
  }
  const c10::TypePtr element = type.expectRef<c10::ListType>().getElementType();
  switch (element->kind()) {
  case TypeKind::TensorType:
  case TypeKind::NumberType:
  case TypeKind::FloatType:
  case TypeKind::IntType:
  case TypeKind::SymIntType:
  case TypeKind::BoolType:
  case TypeKind::StringType:
    return true;
  case TypeKind::OptionalType:
    return element->expectRef<c10::OptionalType>().getElementType()->kind() == TypeKind::TensorType;
  default:
    return false;
  }
}

} // namespace mrun::torch_engine
