#include "runtime/engines/torch/exported_model.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/json.h"
#include "common/text.h"
#include "runtime/engines/torch/argument_checks.h"
#include "runtime/engines/torch/autocast_scope.h"
#include "runtime/engines/torch/device.h"
#include "runtime/engines/torch/execute.h"
#include "runtime/engines/torch/json_tensor.h"
#include "runtime/engines/torch/prepare.h"
#include "runtime/engines/torch/tensors.h"
#include "runtime/engines/torch/types.h"
#include "runtime/engines/torch/vmap.h"

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

std::string size_words(const Extent& size) {
  if (!size.symbol.empty()) return size.symbol;
  const auto expression = SizeExpression::parse(size.expression);
  return expression ? expression->words() : "?";
}

std::string shape_text(const TensorMeta& meta) {
  std::vector<std::string> sizes;
  for (const Extent& size : meta.sizes)
    sizes.push_back(size.constant ? std::to_string(*size.constant) : size_words(size));
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
  // Once all inputs were looked at: sizes that several symbols make.
  Result<void> check_rest() const;

 private:
  struct Axis {
    std::int64_t size = 0;
    std::string where; // "axis 0 of `in.x`"
  };
  Result<void> check_axis(const Axis& axis, const Extent& extent,
                          const std::optional<SizeExpression>& expression);
  Result<void> check_linear(const Axis& axis, const LinearSize& expected, const std::string& words);
  Result<void> check_range(const Axis& axis, const LinearSize& expected) const;

  struct Bound {
    Axis axis;
    std::string words; // "s0", "2*s0"
  };
  struct Open {
    Axis axis;
    SizeExpression expression;
  };
  const std::unordered_map<std::string, Range>& m_ranges;
  std::unordered_map<std::string, Bound> m_bound; // symbols seen so far
  Sizes m_sizes;                                  // of them
  std::vector<Open> m_open;
};

Result<void> ShapeCheck::check_range(const Axis& axis, const LinearSize& expected) const {
  const auto range = m_ranges.find(expected.symbol);
  if (range == m_ranges.end()) return {};
  // Where the numbers do not fit, the end of the range is not one that a tensor reaches.
  const auto size_at = [&](const std::optional<std::int64_t>& symbol) -> std::optional<std::int64_t> {
    std::int64_t size = 0;
    const bool overflow = !symbol || __builtin_mul_overflow(expected.factor, *symbol, &size) ||
                          __builtin_add_overflow(size, expected.offset, &size);
    return overflow ? std::nullopt : std::optional(size);
  };
  Range sizes{size_at(range->second.min), size_at(range->second.max)};
  if (expected.factor < 0) std::swap(sizes.min, sizes.max);
  const bool low = sizes.min && axis.size < *sizes.min;
  const bool high = sizes.max && axis.size > *sizes.max;
  if (!low && !high) return {};
  return fail(ErrorCode::input_range,
              fmt::format("{} is {}, the program takes {}", axis.where, axis.size, range_text(sizes)));
}

Result<void> ShapeCheck::check_linear(const Axis& axis, const LinearSize& expected,
                                      const std::string& words) {
  MRUN_TRY(check_range(axis, expected));
  std::int64_t rest = 0;
  if (__builtin_sub_overflow(axis.size, expected.offset, &rest) || rest % expected.factor != 0)
    return fail(ErrorCode::input_range,
                fmt::format("{} is {}, the program takes what {} gives for a whole {}", axis.where, axis.size,
                            words, expected.symbol));
  const std::int64_t symbol = rest / expected.factor;
  const auto [size, first] = m_sizes.emplace(expected.symbol, symbol);
  if (first) {
    m_bound.emplace(expected.symbol, Bound{axis, words});
    return {};
  }
  if (size->second == symbol) return {};
  const Bound& bound = m_bound.at(expected.symbol);
  const std::string rule =
      bound.words == words ? "they must be equal" : fmt::format("they must be {} and {}", words, bound.words);
  return fail(ErrorCode::input_range, fmt::format("{} is {}, but {} is {} and {}", axis.where, axis.size,
                                                  bound.axis.where, bound.axis.size, rule));
}

Result<void> ShapeCheck::check_axis(const Axis& axis, const Extent& extent,
                                    const std::optional<SizeExpression>& expression) {
  if (extent.constant) {
    if (axis.size == *extent.constant) return {};
    return fail(ErrorCode::input_range, fmt::format("{} is {}, the program was exported for {}", axis.where,
                                                    axis.size, *extent.constant));
  }
  if (!extent.symbol.empty()) return check_linear(axis, {extent.symbol, 1, 0}, extent.symbol);
  if (!expression) return {};
  if (const auto linear = expression->linear()) return check_linear(axis, *linear, expression->words());
  MRUN_TRY(check_range(axis, {expression->words(), 1, 0})); // export gives expressions a range, too
  m_open.push_back({axis, *expression});
  return {};
}

Result<void> ShapeCheck::check_rest() const {
  for (const auto& [axis, expression] : m_open) {
    const auto size = expression.value(m_sizes);
    if (size && *size != axis.size)
      return fail(ErrorCode::input_range, fmt::format("{} is {}, but {} is {} for the other inputs",
                                                      axis.where, axis.size, expression.words(), *size));
  }
  return {};
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
    MRUN_TRY(check_axis(
        {tensor.size(static_cast<std::int64_t>(axis)), fmt::format("axis {} of `{}`", axis, input.name)},
        input.meta.sizes[axis], input.expressions[axis]));
  return {};
}

// An integer, float or boolean, as it was given.
Result<c10::IValue> given_number(const mrun_value& value, const std::string& name) {
  if (value.kind == MRUN_VALUE_TENSOR) {
    MRUN_ASSIGN(const at::Tensor tensor, tensor_of(*value.tensor, name));
    if (tensor.numel() != 1 || tensor.is_complex())
      return fail(ErrorCode::input_type, fmt::format("`{}` is not one number", name));
    const c10::IValue number(tensor.item());
    if (number.isInt() || number.isDouble() || number.isBool()) return number;
    return fail(ErrorCode::input_range, fmt::format("`{}` does not fit into 64 bits", name)); // of u64
  }
  if (value.kind != MRUN_VALUE_JSON)
    return fail(ErrorCode::input_type, fmt::format("`{}` is not a number", name));
  MRUN_ASSIGN(const Json json, parse_json(view_of(value.text), ErrorCode::input_type, name));
  if (json.is_boolean()) return c10::IValue(json.get<bool>());
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX)
    return fail(ErrorCode::input_range,
                fmt::format("`{}` is {}, which does not fit into 64 bits", name, json.dump()));
  if (json.is_number_integer()) return c10::IValue(json.get<std::int64_t>());
  if (json.is_number()) return c10::IValue(json.get<double>());
  return fail(ErrorCode::input_type, fmt::format("`{}` is not a number", name));
}

// The same, of the type that the program takes.
Result<c10::IValue> number_input(const mrun_value& value, const std::string& name, ArgumentKind kind) {
  MRUN_ASSIGN(const c10::IValue number, given_number(value, name));
  if (kind == ArgumentKind::sym_float && !number.isBool()) return c10::IValue(number.toScalar().toDouble());
  if (kind == ArgumentKind::sym_int && number.isInt()) return number;
  if (kind == ArgumentKind::sym_bool && number.isBool()) return number;
  const char* wanted = kind == ArgumentKind::sym_int     ? "an integer"
                       : kind == ArgumentKind::sym_float ? "a number"
                                                         : "true or false";
  return fail(ErrorCode::input_type, fmt::format("`{}` must be {}", name, wanted));
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

// Copies the memory that the values share, once.
void copy_group(const std::vector<ValueId>& group, std::vector<c10::IValue>& slots) {
  const auto tensor_at = [&](ValueId value) { return slots[static_cast<std::size_t>(value)].toTensor(); };
  if (group.size() == 1) {
    slots[static_cast<std::size_t>(group.front())] = tensor_at(group.front()).clone();
    return;
  }
  const at::Tensor first = tensor_at(group.front());
  const auto size = static_cast<std::int64_t>(first.storage().nbytes());
  const at::Tensor bytes =
      at::empty({0}, first.options().dtype(at::kByte)).set_(first.storage(), 0, {size}, {1});
  const at::Tensor copy = bytes.clone();
  for (const ValueId value : group) {
    const at::Tensor tensor = tensor_at(value);
    slots[static_cast<std::size_t>(value)] =
        at::empty({0}, tensor.options())
            .set_(copy.storage(), tensor.storage_offset(), tensor.sizes(), tensor.strides());
  }
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
    UserInput input{"in." + path,
                    path,
                    fmt::format("in.{}", position - 1),
                    flat_name(path),
                    spec.value,
                    kinds[spec.value],
                    {},
                    {}};
    const auto meta = program.graph.metas.find(spec.value);
    if (meta != program.graph.metas.end())
      input.meta = std::move(meta->second);
    else if (input.kind == ArgumentKind::tensor)
      return fail(ErrorCode::load_failed,
                  fmt::format("the program says nothing about its input `{}`", printable(path, 120)));
    for (const Extent& size : input.meta.sizes)
      input.expressions.push_back(SizeExpression::parse(size.expression));
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
    MRUN_ASSIGN(const c10::IValue given, given_number(*value, constant.plain_name));
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

const std::vector<c10::IValue>& ExportedModel::initial(const CopyPlan& plan) const {
  return plan.folded || m_weights.empty() ? m_initial : m_weights;
}

void ExportedModel::add_copied(CopyPlan& plan, const void* memory) const {
  const std::vector<c10::IValue>& values = initial(plan);
  std::vector<ValueId> group;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i].isTensor() && memory_of(values[i].toTensor()) == memory)
      group.push_back(static_cast<ValueId>(i));
  if (!group.empty() && std::ranges::find(plan.copied, group) == plan.copied.end())
    plan.copied.push_back(std::move(group));
}

// The weights that the compiler saw to be written.
void ExportedModel::set_plan() {
  for (const auto* values : {&m_initial, &m_weights})
    for (const c10::IValue& value : *values)
      m_shared.add(value);
  auto plan = std::make_shared<CopyPlan>();
  for (std::size_t i = 0; i < m_initial.size(); ++i)
    if (m_graph->written[i] && m_initial[i].isTensor())
      if (const void* memory = memory_of(m_initial[i].toTensor())) add_copied(*plan, memory);
  m_plan = std::move(plan);
}

std::shared_ptr<const CopyPlan> ExportedModel::plan() const {
  const std::scoped_lock lock(m_plan_mutex);
  return m_plan;
}

// What was folded came from weights that nobody had written into, so from here on nothing is.
bool ExportedModel::learn(const CopyPlan& used, const void* conflict) const {
  const std::scoped_lock lock(m_plan_mutex);
  auto next = std::make_shared<CopyPlan>();
  next->folded = false;
  next->copies_inputs = true;
  for (const auto& group : m_plan->copied) // the same values in both forms
    if (const c10::IValue& value = initial(*m_plan)[static_cast<std::size_t>(group.front())];
        value.isTensor())
      add_copied(*next, memory_of(value.toTensor()));
  add_copied(*next, conflict);
  const bool is_new = used.folded != next->folded || used.copies_inputs != next->copies_inputs ||
                      used.copied.size() < next->copied.size();
  m_plan = std::move(next);
  return is_new;
}

Result<std::vector<c10::IValue>> ExportedModel::bind(const mrun_request& request, const CopyPlan& plan,
                                                     SharedMemory& inputs) const {
  std::vector<c10::IValue> slots = initial(plan);
  for (const auto& group : plan.copied)
    copy_group(group, slots);
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
    const bool is_written = plan.copies_inputs || m_graph->written[static_cast<std::size_t>(input.value)];
    tensor = to_device(std::move(tensor), m_device);
    slot = is_written && m_device.is_cpu() ? tensor.clone() : tensor;
    if (m_graph->writes && !is_written && m_device.is_cpu()) inputs.add(slot);
  }
  MRUN_TRY(shapes.check_rest());
  MRUN_TRY(check_guards(slots));
  return slots;
}

Result<void> ExportedModel::run(const mrun_host& host, const mrun_request& request) const {
  const c10::InferenceMode inference;
  const ArgumentChecks::Scope checked;
  const StreamScope stream(m_device);
  std::optional<AutocastScope> autocast;
  if (m_bf16) autocast.emplace(m_device.type(), true, c10::ScalarType::BFloat16, false);
  while (true) { // once; again for each memory that turns out to be written, of which there are finitely many
    const std::shared_ptr<const CopyPlan> plan = this->plan();
    SharedMemory inputs;
    MRUN_ASSIGN(std::vector<c10::IValue> slots, bind(request, *plan, inputs));
    const VmapScope vmap;
    RunContext context{host, request.id, nullptr, m_device.type(), plan->folded, &m_shared, &inputs};
    const Result<std::vector<c10::IValue>> results = run_graph(*m_graph, std::move(slots), context);
    if (context.conflict != nullptr && learn(*plan, context.conflict)) continue;
    if (!results) return tl::unexpected(results.error());
    for (const UserOutput& output : m_outputs)
      MRUN_TRY(emit_value(host, request.id, output.path, (*results)[output.index]));
    return {};
  }
}

Result<std::unique_ptr<Model>> ExportedModel::load(const mrun_host& host, const Archive& archive,
                                                   const LoadOptions& options) {
  const c10::InferenceMode inference;
  const ArgumentChecks::Scope checked; // what depends on weights alone runs here
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
  if (!options.bf16 && model->m_graph->writes) model->m_weights = model->m_initial;
  if (options.bf16)
    cast_weights(*model->m_graph, model->m_initial, c10::ScalarType::BFloat16);
  else
    fold_constants(host, *model->m_graph, model->m_initial);
  model->set_plan();
  stream.wait(); // predictions run on other streams
  return std::unique_ptr<Model>(std::move(model));
}

Result<std::unique_ptr<Model>> load_exported_program(const mrun_host& host, const Archive& archive,
                                                     const LoadOptions& options) {
  return ExportedModel::load(host, archive, options);
}

} // namespace mrun::torch_engine
