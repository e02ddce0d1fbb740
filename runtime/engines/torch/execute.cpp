#include "runtime/engines/torch/execute.h"

#include <new>

#include <fmt/format.h>

#include "runtime/engines/torch/autocast_scope.h"
#include "runtime/engines/torch/device.h"
#include "runtime/engines/torch/types.h"

namespace mrun::torch_engine {
namespace {

using c10::IValue;
using Slots = std::vector<IValue>;

constexpr std::int64_t k_max_loop_steps = 10'000'000; // a while_loop or scan that never ends is a defect

IValue& slot(Slots& slots, ValueId value) {
  return slots[static_cast<std::size_t>(value)];
}

IValue tensor_list(const Operand& operand, Slots& slots) {
  c10::List<at::Tensor> list;
  list.reserve(operand.elements.size());
  for (const Element& element : operand.elements)
    list.push_back(slot(slots, element.value).toTensor());
  return list;
}

IValue optional_tensor_list(const Operand& operand, Slots& slots) {
  c10::List<std::optional<at::Tensor>> list;
  list.reserve(operand.elements.size());
  for (const Element& element : operand.elements)
    list.push_back(element.value == k_no_value ? std::nullopt
                                               : slot(slots, element.value).toOptional<at::Tensor>());
  return list;
}

IValue number_list(const Operand& operand, Slots& slots) {
  if (operand.kind == Operand::Kind::int_list) {
    std::vector<std::int64_t> numbers;
    for (const Element& element : operand.elements)
      numbers.push_back(element.value == k_no_value ? element.integer : slot(slots, element.value).toInt());
    return numbers;
  }
  if (operand.kind == Operand::Kind::float_list) {
    std::vector<double> numbers;
    for (const Element& element : operand.elements)
      numbers.push_back(element.value == k_no_value ? element.floating
                                                    : slot(slots, element.value).toScalar().toDouble());
    return numbers;
  }
  c10::List<bool> booleans;
  for (const Element& element : operand.elements)
    booleans.push_back(element.value == k_no_value ? element.integer != 0
                                                   : slot(slots, element.value).toBool());
  return booleans;
}

IValue scalar_list(const Operand& operand, Slots& slots) {
  c10::List<c10::Scalar> numbers;
  for (const Element& element : operand.elements) {
    if (element.value != k_no_value)
      numbers.push_back(slot(slots, element.value).toScalar());
    else if (operand.kind == Operand::Kind::float_scalar_list)
      numbers.push_back(c10::Scalar(element.floating));
    else if (operand.kind == Operand::Kind::bool_scalar_list)
      numbers.push_back(c10::Scalar(element.integer != 0));
    else
      numbers.push_back(c10::Scalar(element.integer));
  }
  return numbers;
}

IValue evaluate(const Operand& operand, Slots& slots) {
  switch (operand.kind) {
  case Operand::Kind::constant:
    return operand.constant;
  case Operand::Kind::value:
    return slot(slots, operand.value);
  case Operand::Kind::to_float:
    return slot(slots, operand.value).toScalar().toDouble();
  case Operand::Kind::wrapped_number: {
    const IValue& value = slot(slots, operand.value);
    if (value.isTensor()) return value;
    const c10::Scalar number = value.toScalar();
    at::Tensor tensor = at::scalar_tensor(number, at::device(at::kCPU).dtype(number.type()));
    tensor.unsafeGetTensorImpl()->set_wrapped_number(true);
    return tensor;
  }
  case Operand::Kind::tensor_list:
    return tensor_list(operand, slots);
  case Operand::Kind::optional_tensor_list:
    return optional_tensor_list(operand, slots);
  case Operand::Kind::integer_scalar_list:
  case Operand::Kind::float_scalar_list:
  case Operand::Kind::bool_scalar_list:
    return scalar_list(operand, slots);
  default:
    return number_list(operand, slots);
  }
}

Slots evaluate_all(const std::vector<Operand>& operands, Slots& slots) {
  Slots values;
  values.reserve(operands.size());
  for (const Operand& operand : operands)
    values.push_back(evaluate(operand, slots));
  return values;
}

tl::unexpected<Error> failed(std::string message) {
  return fail(ErrorCode::prediction_failed, std::move(message));
}

Result<Slots> call_graph(const CompiledGraph& graph, const Slots& arguments, RunContext& context) {
  if (arguments.size() != graph.inputs.size())
    return failed(
        fmt::format("a sub-graph takes {} values and got {}", graph.inputs.size(), arguments.size()));
  Slots slots(graph.value_count);
  for (std::size_t i = 0; i < arguments.size(); ++i)
    if (graph.inputs[i] != k_no_value) slot(slots, graph.inputs[i]) = arguments[i];
  return run_graph(graph, std::move(slots), context);
}

bool is_true(const IValue& value) {
  if (value.isTensor()) return value.toTensor().item().toBool();
  return value.toScalar().toBool();
}

Slots flatten(const Instruction& instruction, Slots& slots) {
  Slots values;
  for (const auto& group : instruction.groups)
    for (const Operand& operand : group)
      values.push_back(evaluate(operand, slots));
  return values;
}

Result<Slots> run_while(const Instruction& instruction, Slots& slots, RunContext& context) {
  // groups: what the loop carries, then what it only reads.
  Slots values = flatten(instruction, slots);
  const std::size_t carried = instruction.groups.empty() ? 0 : instruction.groups.front().size();
  for (std::int64_t step = 0; step < k_max_loop_steps; ++step) {
    MRUN_ASSIGN(const Slots condition, call_graph(*instruction.graphs[0], values, context));
    if (condition.size() != 1) return failed("a loop's condition gives one value");
    if (!is_true(condition[0])) {
      values.resize(carried);
      return values;
    }
    MRUN_ASSIGN(Slots next, call_graph(*instruction.graphs[1], values, context));
    if (next.size() != carried) return failed("a loop's body gives as many values as it carries");
    std::ranges::move(next, values.begin());
  }
  return failed(fmt::format("the loop did not end within {} steps", k_max_loop_steps));
}

// The common length of the first axis of the mapped tensors.
Result<std::int64_t> mapped_length(const Slots& values) {
  if (values.empty()) return failed("there is nothing to map over");
  std::int64_t length = -1;
  for (const IValue& value : values) {
    if (!value.isTensor() || value.toTensor().dim() < 1) return failed("a mapped value has no first axis");
    const std::int64_t size = value.toTensor().size(0);
    if (length >= 0 && size != length) return failed("the mapped values differ in length");
    length = size;
  }
  return length;
}

// Runs the body for each index of `mapped`; with carry, its first results go into the next step.
Result<Slots> run_mapped(const Instruction& instruction, Slots carry, const Slots& mapped,
                         const Slots& additional, RunContext& context) {
  MRUN_ASSIGN(const std::int64_t length, mapped_length(mapped));
  if (length == 0) return failed("an empty first axis can't be mapped");
  const std::size_t carried = carry.size();
  std::vector<std::vector<at::Tensor>> stacked;
  for (std::int64_t step = 0; step < length; ++step) {
    Slots arguments = carry;
    for (const IValue& value : mapped)
      arguments.emplace_back(value.toTensor().select(0, step));
    arguments.insert(arguments.end(), additional.begin(), additional.end());
    MRUN_ASSIGN(Slots results, call_graph(*instruction.graphs[0], arguments, context));
    if (results.size() < carried) return failed("the body gives fewer values than it carries");
    stacked.resize(results.size() - carried);
    for (std::size_t i = carried; i < results.size(); ++i)
      stacked[i - carried].push_back(results[i].toTensor());
    results.resize(carried);
    carry = std::move(results);
  }
  for (const std::vector<at::Tensor>& tensors : stacked)
    carry.emplace_back(at::stack(tensors));
  return carry;
}

Result<Slots> run_map(const Instruction& instruction, Slots& slots, RunContext& context) {
  const bool scan =
      instruction.kind == Instruction::Kind::scan; // scan: init, xs, additional; map: xs, additional
  std::vector<Slots> groups;
  for (const auto& group : instruction.groups)
    groups.push_back(evaluate_all(group, slots));
  groups.resize(scan ? 3 : 2);
  return scan ? run_mapped(instruction, std::move(groups[0]), groups[1], groups[2], context)
              : run_mapped(instruction, {}, groups[0], groups[1], context);
}

Result<Slots> run_autocast(const Instruction& instruction, Slots& slots, RunContext& context) {
  // operands: device, dtype (schema.py's number, or none), enabled, cache_enabled.
  const Slots settings = evaluate_all(instruction.operands, slots);
  const std::string device = settings[0].isString() ? settings[0].toStringRef() : "cpu";
  const bool cuda = device.starts_with("cuda");
  c10::ScalarType type = cuda ? c10::ScalarType::Half : c10::ScalarType::BFloat16;
  if (settings[1].isInt()) type = scalar_type_of(settings[1].toInt()).value_or(type);
  const AutocastScope scope(context.device, settings[2].toScalar().toBool(), type,
                            settings[3].isNone() || settings[3].toScalar().toBool());
  return call_graph(*instruction.graphs[0], flatten(instruction, slots), context);
}

Result<Slots> run_higher_order(const Instruction& instruction, Slots& slots, RunContext& context) {
  switch (instruction.kind) {
  case Instruction::Kind::inlined:
    return call_graph(*instruction.graphs[0], flatten(instruction, slots), context);
  case Instruction::Kind::autocast:
    return run_autocast(instruction, slots, context);
  case Instruction::Kind::cond: {
    const bool chosen = is_true(evaluate(instruction.operands[0], slots));
    return call_graph(*instruction.graphs[chosen ? 0 : 1], flatten(instruction, slots), context);
  }
  case Instruction::Kind::while_loop:
    return run_while(instruction, slots, context);
  default:
    return run_map(instruction, slots, context);
  }
}

// Moves the values out of `values`.
Result<void> store(const Instruction& instruction, Slots& values, Slots& slots) {
  if (instruction.outputs.size() > values.size())
    return failed(fmt::format("it gave {} values, {} are needed", values.size(), instruction.outputs.size()));
  for (std::size_t i = 0; i < instruction.outputs.size(); ++i)
    if (instruction.outputs[i] != k_no_value) slot(slots, instruction.outputs[i]) = std::move(values[i]);
  return {};
}

// What the operator gave, with the elements of its lists in their place.
Result<Slots> spread(const Instruction& instruction, const torch::jit::Stack& given) {
  Slots values;
  for (std::size_t i = 0; i < instruction.returns.size() && i < given.size(); ++i) {
    const auto& count = instruction.returns[i];
    if (!count) {
      values.push_back(given[i]);
      continue;
    }
    if (!given[i].isList()) return failed("the operator gave no list");
    const auto elements = given[i].toListRef();
    if (elements.size() < *count)
      return failed(fmt::format("the operator gave a list of {}, {} are needed", elements.size(), *count));
    values.insert(values.end(), elements.begin(), elements.begin() + static_cast<std::ptrdiff_t>(*count));
  }
  return values;
}

// Whether it would write into what other predictions read.
bool is_kept_from_writing(const Instruction& instruction, const torch::jit::Stack& arguments,
                          RunContext& context) {
  for (const std::size_t index : instruction.writes)
    for (const SharedMemory* shared : {context.shared, context.inputs}) {
      if (shared == nullptr || context.conflict != nullptr) continue;
      context.conflict = shared->find(arguments[index]);
    }
  return context.conflict != nullptr;
}

Result<void> run_op(const Instruction& instruction, Slots& slots, torch::jit::Stack& stack,
                    RunContext& context) {
  stack.clear(); // keeps its memory from one instruction to the next
  for (const Operand& operand : instruction.operands)
    stack.push_back(evaluate(operand, slots));
  if (is_kept_from_writing(instruction, stack, context))
    return failed("it writes into memory that predictions share");
  if (context.recorder != nullptr) context.recorder->push_back({*instruction.op, stack});
  instruction.op->callBoxed(stack);
  if (!instruction.spreads_list) return store(instruction, stack, slots);
  MRUN_ASSIGN(Slots values, spread(instruction, stack));
  return store(instruction, values, slots);
}

Result<void> run_instruction(const Instruction& instruction, Slots& slots, torch::jit::Stack& stack,
                             RunContext& context) {
  if (instruction.kind == Instruction::Kind::op) return run_op(instruction, slots, stack, context);
  if (instruction.kind == Instruction::Kind::sym) {
    MRUN_ASSIGN(IValue value, instruction.sym(evaluate_all(instruction.operands, slots)));
    if (instruction.outputs[0] != k_no_value) slot(slots, instruction.outputs[0]) = std::move(value);
    return {};
  }
  MRUN_ASSIGN(Slots values, run_higher_order(instruction, slots, context));
  return store(instruction, values, slots);
}

// LibTorch's messages end with a C++ backtrace and may begin with a long preamble; the first line says it.
std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

Result<void> guarded(const Instruction& instruction, Slots& slots, torch::jit::Stack& stack,
                     RunContext& context) {
  try {
    return run_instruction(instruction, slots, stack, context);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "there is not enough memory for this input");
  } catch (const c10::Error& error) {
    return tl::unexpected(error_of(error));
  } catch (const std::exception& error) {
    return failed(first_line(error.what()));
  }
}

} // namespace

Result<std::vector<IValue>> run_graph(const CompiledGraph& graph, std::vector<IValue> slots,
                                      RunContext& context) {
  torch::jit::Stack stack;
  for (const Instruction& instruction : graph.instructions) {
    if (instruction.folded && context.skips_folded) continue;
    if (context.host.cancelled(&context.host, context.request) != 0)
      return fail(ErrorCode::cancelled, "the prediction was canceled");
    if (Result<void> done = guarded(instruction, slots, stack, context); !done)
      return tl::unexpected(
          at_node(std::move(done).error(), instruction.name, instruction.target, instruction.source));
    for (const ValueId value : instruction.release)
      slot(slots, value) = IValue();
  }
  return evaluate_all(graph.outputs, slots);
}

Result<void> run_instruction_once(const Instruction& instruction, std::vector<IValue>& slots,
                                  RunContext& context) {
  torch::jit::Stack stack;
  return guarded(instruction, slots, stack, context);
}

} // namespace mrun::torch_engine
