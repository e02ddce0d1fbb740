#include "runtime/engines/torch/operands.h"

#include <fmt/format.h>

#include "common/text.h"
#include "runtime/engines/torch/types.h"

namespace mrun::torch_engine {
namespace {

using Kind = ArgumentKind;

tl::unexpected<Error> misfit(const c10::Argument& schema) {
  return fail(ErrorCode::load_failed, fmt::format("argument `{}` does not fit the operator's type {}",
                                                  schema.name(), schema.type()->str()));
}

Operand constant(c10::IValue value) {
  return {Operand::Kind::constant, k_no_value, std::move(value), {}};
}

Operand from_value(Operand::Kind kind, ValueId value, const OperandContext& context) {
  return {kind, context.resolved[static_cast<std::size_t>(value)], {}, {}};
}

Operand list(Operand::Kind kind, const Argument& argument, const OperandContext& context) {
  Operand operand{kind, k_no_value, {}, argument.elements};
  for (Element& element : operand.elements)
    if (element.value != k_no_value)
      element.value = context.resolved[static_cast<std::size_t>(element.value)];
  return operand;
}

// A 0-dim tensor that, like a Python number, does not widen the type of what it is combined with.
at::Tensor wrapped(const c10::Scalar& number) {
  at::Tensor tensor = at::scalar_tensor(number, at::device(at::kCPU).dtype(number.type()));
  tensor.unsafeGetTensorImpl()->set_wrapped_number(true);
  return tensor;
}

std::optional<c10::Scalar> number_of(const Argument& argument) {
  switch (argument.kind) {
  case Kind::integer:
  case Kind::sym_int:
    return c10::Scalar(argument.integer);
  case Kind::floating:
  case Kind::sym_float:
    return c10::Scalar(argument.floating);
  case Kind::boolean:
  case Kind::sym_bool:
    return c10::Scalar(argument.integer != 0);
  case Kind::complex_number:
    return c10::Scalar(c10::complex<double>(argument.floating, argument.imaginary));
  default:
    return std::nullopt;
  }
}

bool is_symbol(const Argument& argument) {
  return argument.value != k_no_value &&
         (argument.kind == Kind::sym_int || argument.kind == Kind::sym_float ||
          argument.kind == Kind::sym_bool);
}

bool is_tensor(const Argument& argument) {
  return argument.value != k_no_value &&
         (argument.kind == Kind::tensor || argument.kind == Kind::optional_tensor);
}

Result<Operand> tensor_operand(const Argument& argument, const c10::Argument& schema,
                               const OperandContext& context) {
  if (is_tensor(argument)) return from_value(Operand::Kind::value, argument.value, context);
  if (is_symbol(argument)) return from_value(Operand::Kind::wrapped_number, argument.value, context);
  const std::optional<c10::Scalar> number = number_of(argument);
  if (!number) return misfit(schema);
  return constant(wrapped(*number));
}

// Tensors are taken where a number is wanted, as `aten::item` would be called in Python: not by exported
// programs.
Result<Operand> number_operand(const Argument& argument, const c10::Argument& schema,
                               const OperandContext& context) {
  if (is_symbol(argument)) return from_value(Operand::Kind::value, argument.value, context);
  const std::optional<c10::Scalar> number = number_of(argument);
  if (!number) return misfit(schema);
  return constant(c10::IValue(*number));
}

Result<Operand> float_operand(const Argument& argument, const c10::Argument& schema,
                              const OperandContext& context) {
  if (is_symbol(argument)) return from_value(Operand::Kind::to_float, argument.value, context);
  const std::optional<c10::Scalar> number = number_of(argument);
  if (!number || number->isComplex()) return misfit(schema);
  return constant(number->toDouble());
}

Result<Operand> int_operand(const Argument& argument, const c10::Argument& schema,
                            const OperandContext& context) {
  if (is_symbol(argument)) return from_value(Operand::Kind::value, argument.value, context);
  switch (argument.kind) {
  case Kind::integer:
  case Kind::boolean:
  case Kind::sym_int:
  case Kind::sym_bool:
    return constant(argument.integer);
  case Kind::scalar_type:
    if (const auto type = scalar_type_of(argument.integer)) return constant(static_cast<std::int64_t>(*type));
    return fail(ErrorCode::load_failed,
                fmt::format("argument `{}` has the unknown dtype {}", schema.name(), argument.integer));
  case Kind::layout:
    if (const auto layout = layout_of(argument.integer)) return constant(static_cast<std::int64_t>(*layout));
    return fail(ErrorCode::load_failed,
                fmt::format("argument `{}` has the unknown layout {}", schema.name(), argument.integer));
  case Kind::memory_format:
    if (const auto format = memory_format_of(argument.integer))
      return constant(static_cast<std::int64_t>(*format));
    return fail(ErrorCode::load_failed, fmt::format("argument `{}` has the unknown memory format {}",
                                                    schema.name(), argument.integer));
  default:
    return misfit(schema);
  }
}

Result<Operand> bool_operand(const Argument& argument, const c10::Argument& schema,
                             const OperandContext& context) {
  if (is_symbol(argument)) return from_value(Operand::Kind::value, argument.value, context);
  if (argument.kind != Kind::boolean && argument.kind != Kind::integer && argument.kind != Kind::sym_bool)
    return misfit(schema);
  return constant(argument.integer != 0);
}

// A list without values is a constant; the serialiser may write an empty one as a list of any type.
Result<Operand> int_list_operand(const Argument& argument, const c10::Argument& schema,
                                 const OperandContext& context) {
  if (argument.kind == Kind::integer) // `int[2] stride` given as one number
    return constant(
        std::vector<std::int64_t>(static_cast<std::size_t>(schema.N().value_or(1)), argument.integer));
  const bool integers =
      argument.kind == Kind::integers || argument.kind == Kind::sym_ints || argument.elements.empty();
  if (!integers || number_of(argument)) return misfit(schema);
  for (const Element& element : argument.elements)
    if (element.value != k_no_value) return list(Operand::Kind::int_list, argument, context);
  std::vector<std::int64_t> numbers;
  for (const Element& element : argument.elements)
    numbers.push_back(element.integer);
  return constant(std::move(numbers));
}

Result<Operand> float_list_operand(const Argument& argument, const c10::Argument& schema,
                                   const OperandContext& context) {
  const bool floats = argument.kind == Kind::floats || argument.kind == Kind::sym_floats;
  const bool integers = argument.kind == Kind::integers || argument.elements.empty();
  if ((!floats && !integers) || number_of(argument)) return misfit(schema);
  Operand operand = list(Operand::Kind::float_list, argument, context);
  if (!floats)
    for (Element& element : operand.elements)
      element.floating = static_cast<double>(element.integer);
  return operand;
}

Result<Operand> bool_list_operand(const Argument& argument, const c10::Argument& schema,
                                  const OperandContext& context) {
  const bool booleans =
      argument.kind == Kind::booleans || argument.kind == Kind::sym_bools || argument.elements.empty();
  if (!booleans || number_of(argument)) return misfit(schema);
  return list(Operand::Kind::bool_list, argument, context);
}

// `Scalar[]`: constants, and sizes that become them when it runs.
Result<Operand> number_list_operand(const Argument& argument, const c10::Argument& schema,
                                    const OperandContext& context) {
  switch (argument.kind) {
  case Kind::integers:
  case Kind::sym_ints:
    return list(Operand::Kind::integer_scalar_list, argument, context);
  case Kind::floats:
  case Kind::sym_floats:
    return list(Operand::Kind::float_scalar_list, argument, context);
  case Kind::booleans:
  case Kind::sym_bools:
    return list(Operand::Kind::bool_scalar_list, argument, context);
  default:
    return argument.elements.empty() && !number_of(argument) && !is_tensor(argument)
               ? Result<Operand>(list(Operand::Kind::integer_scalar_list, argument, context))
               : misfit(schema);
  }
}

Result<Operand> string_list_operand(const Argument& argument, const c10::Argument& schema) {
  if (argument.kind != Kind::strings) return misfit(schema);
  return constant(c10::IValue(argument.strings));
}

Result<Operand> tensor_list_operand(const Argument& argument, const c10::Argument& schema, bool optional,
                                    const OperandContext& context) {
  const bool tensors =
      argument.kind == Kind::tensors || argument.kind == Kind::optional_tensors || argument.elements.empty();
  if (!tensors || number_of(argument) || is_tensor(argument)) return misfit(schema);
  if (!optional)
    for (const Element& element : argument.elements)
      if (element.value == k_no_value) return misfit(schema);
  return list(optional ? Operand::Kind::optional_tensor_list : Operand::Kind::tensor_list, argument, context);
}

Result<Operand> list_operand(const Argument& argument, const c10::Argument& schema, const c10::ListType& type,
                             const OperandContext& context) {
  switch (type.getElementType()->kind()) {
  case c10::TypeKind::IntType:
  case c10::TypeKind::SymIntType:
    return int_list_operand(argument, schema, context);
  case c10::TypeKind::FloatType:
    return float_list_operand(argument, schema, context);
  case c10::TypeKind::BoolType:
    return bool_list_operand(argument, schema, context);
  case c10::TypeKind::TensorType:
    return tensor_list_operand(argument, schema, false, context);
  case c10::TypeKind::NumberType:
    return number_list_operand(argument, schema, context);
  case c10::TypeKind::StringType:
    return string_list_operand(argument, schema);
  case c10::TypeKind::OptionalType:
    if (type.getElementType()->expectRef<c10::OptionalType>().getElementType()->kind() ==
        c10::TypeKind::TensorType)
      return tensor_list_operand(argument, schema, true, context);
    [[fallthrough]];
  default:
    return fail(ErrorCode::engine_unsupported, fmt::format("argument `{}` of type {} is not supported",
                                                           schema.name(), schema.type()->str()));
  }
}

} // namespace

Result<Operand> make_operand(const Argument& argument, const c10::Argument& schema,
                             const OperandContext& context) {
  c10::TypePtr type = schema.type();
  const bool optional = type->kind() == c10::TypeKind::OptionalType;
  if (optional) type = type->expectRef<c10::OptionalType>().getElementType();
  const bool none =
      argument.kind == Kind::none || (argument.kind == Kind::optional_tensor && argument.value == k_no_value);
  if (none) return optional ? Result<Operand>(constant(c10::IValue())) : misfit(schema);

  switch (type->kind()) {
  case c10::TypeKind::TensorType:
    return tensor_operand(argument, schema, context);
  case c10::TypeKind::NumberType:
    return number_operand(argument, schema, context);
  case c10::TypeKind::FloatType:
    return float_operand(argument, schema, context);
  case c10::TypeKind::IntType:
  case c10::TypeKind::SymIntType:
    return int_operand(argument, schema, context);
  case c10::TypeKind::BoolType:
    return bool_operand(argument, schema, context);
  case c10::TypeKind::ListType:
    return list_operand(argument, schema, type->expectRef<c10::ListType>(), context);
  case c10::TypeKind::StringType:
    if (argument.kind != Kind::string) return misfit(schema);
    return constant(argument.text);
  case c10::TypeKind::DeviceObjType:
    if (argument.kind != Kind::device) return misfit(schema);
    return constant(context.device);
  default:
    return fail(ErrorCode::engine_unsupported,
                fmt::format("argument `{}` of type {} is not supported", schema.name(), type->str()));
  }
}

Result<std::vector<Operand>> make_plain_operands(const Argument& argument, const OperandContext& context) {
  std::vector<Operand> operands;
  switch (argument.kind) {
  case Kind::none:
    operands.push_back(constant(c10::IValue()));
    break;
  case Kind::string:
    operands.push_back(constant(argument.text));
    break;
  case Kind::optional_tensor:
  case Kind::tensor:
    if (argument.value == k_no_value)
      operands.push_back(constant(c10::IValue()));
    else
      operands.push_back(from_value(Operand::Kind::value, argument.value, context));
    break;
  case Kind::integer:
  case Kind::floating:
  case Kind::boolean:
  case Kind::complex_number:
  case Kind::sym_int:
  case Kind::sym_float:
  case Kind::sym_bool:
    if (argument.value != k_no_value)
      operands.push_back(from_value(Operand::Kind::value, argument.value, context));
    else
      operands.push_back(constant(c10::IValue(*number_of(argument))));
    break;
  case Kind::tensors:
  case Kind::optional_tensors:
  case Kind::integers:
  case Kind::floats:
  case Kind::booleans:
  case Kind::sym_ints:
  case Kind::sym_floats:
  case Kind::sym_bools:
    for (const Element& element : argument.elements) {
      if (element.value != k_no_value)
        operands.push_back(from_value(Operand::Kind::value, element.value, context));
      else if (argument.kind == Kind::optional_tensors)
        operands.push_back(constant(c10::IValue()));
      else if (argument.kind == Kind::floats || argument.kind == Kind::sym_floats)
        operands.push_back(constant(element.floating));
      else if (argument.kind == Kind::booleans || argument.kind == Kind::sym_bools)
        operands.push_back(constant(element.integer != 0));
      else
        operands.push_back(constant(element.integer));
    }
    break;
  default:
    return fail(ErrorCode::engine_unsupported, "an argument of this kind is not supported here");
  }
  return operands;
}

void for_each_value(const Operand& operand, const std::function<void(ValueId)>& visit) {
  if (operand.value != k_no_value) visit(operand.value);
  for (const Element& element : operand.elements)
    if (element.value != k_no_value) visit(element.value);
}

} // namespace mrun::torch_engine
