#include "runtime/engines/torch/exported_model.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/json.h"
#include "common/text.h"
#include "runtime/engines/torch/autocast_scope.h"
#include "runtime/engines/torch/device.h"
#include "runtime/engines/torch/execute.h"
#include "runtime/engines/torch/json_tensor.h"
#include "runtime/engines/torch/prepare.h"
#include "runtime/engines/torch/tensors.h"
#include "runtime/engines/torch/types.h"

namespace mrun::torch_engine {
namespace {

Result<c10::IValue> map_payload(const Archive& archive, const std::string& folder, const Payload& payload,
                                const std::string& name, WeightUpload& upload) {
  if (payload.pickled || !payload.has_meta) return refuse_pickled(name);
  MRUN_ASSIGN(const std::string_view bytes, archive.stored_bytes(folder + payload.member));
  // As in Python: an ordinary tensor, which may require a gradient. None is ever computed, but at::matmul
  // folds batches only for such weights (should_fold), which sums in another order: so the result has
  // Python's bits.
  const c10::InferenceMode ordinary(false);
  MRUN_ASSIGN(const at::Tensor mapped, map_tensor(payload.meta, bytes, name));
  at::Tensor tensor = upload.upload(mapped);
  if (payload.meta.requires_grad && (tensor.is_floating_point() || tensor.is_complex()))
    tensor.set_requires_grad(true);
  return c10::IValue(std::move(tensor));
}

std::string shape_text(const TensorMeta& meta) {
  std::vector<std::string> sizes;
  for (const Extent& size : meta.sizes)
    sizes.push_back(size.constant ? std::to_string(*size.constant) : size.symbol.empty() ? "?" : size.symbol);
  return fmt::format("[{}]", fmt::join(sizes, ", "));
}

std::string range_text(const Range& range) {
  return fmt::format("{} to {}", range.min ? std::to_string(*range.min) : "any",
                     range.max ? std::to_string(*range.max) : "any");
}

// Checks a prediction's tensors against the shapes that the program was exported for.
class ShapeCheck {
 public:
  explicit ShapeCheck(const std::unordered_map<std::string, Range>& ranges) : m_ranges(ranges) {}
  Result<void> check(const at::Tensor& tensor, const UserInput& input);

 private:
  Result<void> check_axis(std::int64_t size, const Extent& extent, std::size_t axis, const UserInput& input);

  struct Bound {
    std::int64_t size = 0;
    std::string where; // "axis 0 of `in.x`"
  };
  const std::unordered_map<std::string, Range>& m_ranges;
  std::unordered_map<std::string, Bound> m_bound; // symbols seen so far
};

Result<void> ShapeCheck::check_axis(std::int64_t size, const Extent& extent, std::size_t axis,
                                    const UserInput& input) {
  const std::string where = fmt::format("axis {} of `{}`", axis, input.name);
  if (extent.constant) {
    if (size == *extent.constant) return {};
    return fail(ErrorCode::input_range,
                fmt::format("{} is {}, the program was exported for {}", where, size, *extent.constant));
  }
  if (extent.symbol.empty()) return {};
  const auto [bound, first] = m_bound.emplace(extent.symbol, Bound{size, where});
  if (!first && bound->second.size != size)
    return fail(ErrorCode::input_range, fmt::format("{} is {}, but {} is {} and they must be equal", where,
                                                    size, bound->second.where, bound->second.size));
  const auto range = m_ranges.find(extent.symbol);
  if (range == m_ranges.end()) return {};
  const bool low = range->second.min && size < *range->second.min;
  const bool high = range->second.max && size > *range->second.max;
  if (!low && !high) return {};
  return fail(ErrorCode::input_range,
              fmt::format("{} is {}, the program takes {}", where, size, range_text(range->second)));
}

Result<void> ShapeCheck::check(const at::Tensor& tensor, const UserInput& input) {
  const auto type = scalar_type_of(input.meta.dtype);
  if (type && tensor.scalar_type() != *type)
    return fail(ErrorCode::input_type, fmt::format("`{}` is {}, the program takes {}", input.name,
                                                   type_name(tensor.scalar_type()), type_name(*type)));
  if (const auto axes = static_cast<std::size_t>(tensor.dim()); axes != input.meta.sizes.size()) {
    const bool has_two_batch_axes = axes == input.meta.sizes.size() + 1 && tensor.size(0) == 1;
    return fail(ErrorCode::input_range,
                fmt::format("`{}` has {} axes, the program takes {}{}", input.name, axes,
                            shape_text(input.meta),
                            has_two_batch_axes
                                ? " (the batch axis is added before the graph: give the input without it)"
                                : ""));
  }
  for (std::size_t axis = 0; axis < input.meta.sizes.size(); ++axis)
    MRUN_TRY(check_axis(tensor.size(static_cast<std::int64_t>(axis)), input.meta.sizes[axis], axis, input));
  return {};
}

Result<c10::IValue> number_input(const mrun_value& value, const std::string& name, ArgumentKind kind) {
  if (value.kind == MRUN_VALUE_TENSOR) {
    MRUN_ASSIGN(const at::Tensor tensor, tensor_of(*value.tensor, name));
    if (tensor.numel() != 1) return fail(ErrorCode::input_type, fmt::format("`{}` is not one number", name));
    return c10::IValue(tensor.item());
  }
  if (value.kind != MRUN_VALUE_JSON)
    return fail(ErrorCode::input_type, fmt::format("`{}` is not a number", name));
  MRUN_ASSIGN(const Json json, parse_json(view_of(value.text), ErrorCode::input_type, name));
  if (json.is_boolean()) return c10::IValue(json.get<bool>());
  if (json.is_number_integer() && kind != ArgumentKind::sym_float)
    return c10::IValue(json.get<std::int64_t>());
  if (json.is_number()) return c10::IValue(json.get<double>());
  return fail(ErrorCode::input_type, fmt::format("`{}` is not a number", name));
}

std::string flat_name(std::string path) {
  for (char& c : path) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!word) c = '_';
  }
  return path;
}

const mrun_value* find_user_input(const mrun_request& request, const UserInput& input) {
  for (const std::string* name : {&input.name, &input.position_name})
    if (const mrun_value* value = find_input(request, *name)) return value;
  const mrun_value* value = find_input(request, input.plain_name);
  if (value == nullptr) value = find_input(request, input.flat_name);
  if (value == nullptr || input.kind != ArgumentKind::tensor) return value;
  // Another input of that name may be a text or a file for a step.
  return value->kind == MRUN_VALUE_JSON && may_be_tensor(view_of(value->text)) ? value : nullptr;
}

Result<at::Tensor> given_tensor(const mrun_value& value, const UserInput& input) {
  if (value.kind == MRUN_VALUE_TENSOR) return tensor_of(*value.tensor, input.name);
  const auto type = scalar_type_of(input.meta.dtype);
  if (value.kind != MRUN_VALUE_JSON || !type)
    return fail(ErrorCode::input_type, fmt::format("`{}` is not a tensor", input.name));
  return tensor_of_json(view_of(value.text), *type, input.plain_name);
}

} // namespace

Result<void> ExportedModel::map_weights(const Archive& archive, const ProgramPlace& place,
                                        const Program& program) {
  MRUN_ASSIGN(const Payloads weights, read_payloads(archive, place, "weights"));
  MRUN_ASSIGN(const Payloads constants, read_payloads(archive, place, "constants"));
  m_initial.resize(m_graph->value_count);
  WeightUpload upload(m_device);
  for (const InputSpec& spec : program.inputs) {
    if (spec.kind != InputKind::parameter && spec.kind != InputKind::buffer &&
        spec.kind != InputKind::tensor_constant)
      continue;
    // Buffers that are not persistent are kept beside the constants.
    const bool is_weight = weights.contains(spec.target);
    const auto found = is_weight ? weights.find(spec.target) : constants.find(spec.target);
    if (found == (is_weight ? weights : constants).end())
      return fail(ErrorCode::load_failed,
                  fmt::format("the archive has no weight `{}`", printable(spec.target, 120)));
    MRUN_ASSIGN(c10::IValue tensor, map_payload(archive, place.folder(is_weight ? "weights" : "constants"),
                                                found->second, spec.target, upload));
    m_initial[static_cast<std::size_t>(spec.value)] = std::move(tensor);
    if (m_graph->written[static_cast<std::size_t>(spec.value)]) m_private.push_back(spec.value);
  }
  return {};
}

Result<void> ExportedModel::set_signature(Program& program) {
  std::unordered_map<ValueId, ArgumentKind> kinds;
  for (const Argument& input : program.graph.inputs)
    kinds.emplace(input.value, input.kind);
  std::size_t position = 0;
  for (const InputSpec& spec : program.inputs) {
    if (spec.kind != InputKind::user && spec.kind != InputKind::constant) continue;
    const std::string& path = program.user_input_paths[position++];
    if (spec.kind == InputKind::constant) { // a Python value that is part of the program
      if (spec.constant) m_constants.push_back({"in." + path, path, *spec.constant});
      continue;
    }
    UserInput input{"in." + path,      path, fmt::format("in.{}", position - 1), flat_name(path), spec.value,
                    kinds[spec.value], {}};
    const auto meta = program.graph.metas.find(spec.value);
    if (meta != program.graph.metas.end())
      input.meta = std::move(meta->second);
    else if (input.kind == ArgumentKind::tensor)
      return fail(ErrorCode::load_failed,
                  fmt::format("the program says nothing about its input `{}`", printable(path, 120)));
    m_inputs.push_back(std::move(input));
  }
  std::size_t given = 0;
  for (std::size_t i = 0; i < program.outputs.size(); ++i)
    if (program.outputs[i].user) m_outputs.push_back({i, program.user_output_paths[given++]});
  if (m_graph->outputs.size() != program.outputs.size())
    return fail(ErrorCode::load_failed, "the program is damaged: an output is not one value");
  m_ranges = std::move(program.ranges);
  m_guards = std::move(program.guards);
  return {};
}

Result<void> ExportedModel::check_constants(const mrun_request& request) const {
  for (const ConstantInput& constant : m_constants) {
    const mrun_value* value = find_input(request, constant.name);
    if (value == nullptr) value = find_input(request, constant.plain_name);
    if (value == nullptr) continue;
    MRUN_ASSIGN(const c10::IValue given, number_input(*value, constant.plain_name, ArgumentKind::sym_float));
    const double number = given.isBool() ? (given.toBool() ? 1.0 : 0.0) : given.toScalar().toDouble();
    const double wanted = real_of(constant.value);
    if (number != wanted)
      return fail(ErrorCode::input_range,
                  fmt::format("`{}` is {}, the program was exported with {} and takes nothing else",
                              constant.plain_name, number, wanted),
                  "export the program with that value, or make it a tensor input");
  }
  return {};
}

std::optional<GuardNumber> ExportedModel::guard_number(const std::vector<c10::IValue>& slots,
                                                       const std::string& path,
                                                       std::optional<std::int64_t> axis) const {
  for (const UserInput& input : m_inputs) {
    if (input.plain_name != path) continue;
    const c10::IValue& slot = slots[static_cast<std::size_t>(input.value)];
    if (axis) {
      if (!slot.isTensor() || *axis < 0 || *axis >= slot.toTensor().dim()) return std::nullopt;
      return slot.toTensor().size(*axis);
    }
    if (slot.isBool()) return std::int64_t{slot.toBool()};
    if (slot.isInt()) return slot.toInt();
    if (slot.isDouble()) return slot.toDouble();
    return std::nullopt;
  }
  for (const ConstantInput& constant : m_constants)
    if (constant.plain_name == path && !axis) return constant.value;
  return std::nullopt;
}

Result<void> ExportedModel::check_guards(const std::vector<c10::IValue>& slots) const {
  const GuardLookup lookup = [&](const std::string& path, std::optional<std::int64_t> axis) {
    return guard_number(slots, path, axis);
  };
  for (const Guard& guard : m_guards)
    if (guard.holds(lookup) == false)
      return fail(ErrorCode::input_range,
                  fmt::format("the program does not take inputs of these sizes: it was exported for `{}`",
                              printable(guard.text(), 300)),
                  "L['NAME'].size()[N] is axis N of the program's input, the batch axis first");
  return {};
}

Result<std::vector<c10::IValue>> ExportedModel::bind(const mrun_request& request) const {
  std::vector<c10::IValue> slots = m_initial;
  for (const ValueId value : m_private) {
    c10::IValue& slot = slots[static_cast<std::size_t>(value)];
    slot = slot.toTensor().clone();
  }
  MRUN_TRY(check_constants(request));
  ShapeCheck shapes(m_ranges);
  for (const UserInput& input : m_inputs) {
    const mrun_value* value = find_user_input(request, input);
    if (value == nullptr)
      return fail(
          ErrorCode::input_missing,
          fmt::format("the program's input `{}` {} was not given", input.name, shape_text(input.meta)),
          "a pre step of mrun.yaml writes it: `to: " + input.name + "`");
    c10::IValue& slot = slots[static_cast<std::size_t>(input.value)];
    if (input.kind != ArgumentKind::tensor) {
      MRUN_ASSIGN(slot, number_input(*value, input.name, input.kind));
      continue;
    }
    MRUN_ASSIGN(at::Tensor tensor, given_tensor(*value, input));
    MRUN_TRY(shapes.check(tensor, input));
    const bool is_copied = !m_device.is_cpu();
    tensor = to_device(std::move(tensor), m_device);
    slot = m_graph->written[static_cast<std::size_t>(input.value)] && !is_copied ? tensor.clone() : tensor;
  }
  MRUN_TRY(check_guards(slots));
  return slots;
}

Result<void> ExportedModel::run(const mrun_host& host, const mrun_request& request) const {
  const c10::InferenceMode inference;
  const StreamScope stream(m_device);
  MRUN_ASSIGN(std::vector<c10::IValue> slots, bind(request));
  std::optional<AutocastScope> autocast;
  if (m_bf16) autocast.emplace(m_device.type(), true, c10::ScalarType::BFloat16, false);
  RunContext context{host, request.id, nullptr, m_device.type()};
  MRUN_ASSIGN(const std::vector<c10::IValue> results, run_graph(*m_graph, std::move(slots), context));
  for (const UserOutput& output : m_outputs)
    MRUN_TRY(emit_value(host, request.id, output.path, results[output.index]));
  return {};
}

Result<std::unique_ptr<Model>> ExportedModel::load(const mrun_host& host, const Archive& archive,
                                                   const LoadOptions& options) {
  const c10::InferenceMode inference;
  host.phase(&host, text_of("build"));
  MRUN_ASSIGN(const ProgramPlace place, locate_program(archive));
  MRUN_ASSIGN(const std::string_view json, archive.stored_bytes(place.program()));
  MRUN_ASSIGN(Program program, parse_program(json));
  if (!program.unread_guards.empty()) {
    const std::string warning =
        fmt::format("{} conditions of the program on its inputs can't be checked here; the first is `{}`",
                    program.unread_guards.size(), printable(program.unread_guards.front(), 300));
    host.log(&host, 0, MRUN_LOG_WARN, text_of(warning));
  }
  const c10::Device device = device_of(options);
  const StreamScope stream(device);
  std::unique_ptr<ExportedModel> model(new ExportedModel(device)); // its constructor is private
  MRUN_ASSIGN(model->m_graph, compile_graph(program.graph, {device, &options.own_operators}));
  MRUN_TRY(model->map_weights(archive, place, program));
  MRUN_TRY(model->set_signature(program));
  model->m_bf16 = options.bf16;
  if (options.bf16)
    cast_weights(*model->m_graph, model->m_initial, c10::ScalarType::BFloat16);
  else
    fold_constants(host, *model->m_graph, model->m_initial);
  stream.wait(); // predictions run on other streams
  return std::unique_ptr<Model>(std::move(model));
}

Result<std::unique_ptr<Model>> load_exported_program(const mrun_host& host, const Archive& archive,
                                                     const LoadOptions& options) {
  return ExportedModel::load(host, archive, options);
}

} // namespace mrun::torch_engine
