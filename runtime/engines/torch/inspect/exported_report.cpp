#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"
#include "runtime/engines/torch/dtypes.h"
#include "runtime/engines/torch/exported_archive.h"
#include "runtime/engines/torch/inspect/example_sizes.h"
#include "runtime/engines/torch/inspect/reports.h"
#include "runtime/engines/torch/model.h"
#include "runtime/engines/torch/payload_shape.h"

namespace mrun::torch_engine {
namespace {

std::string size_words(const Extent& size) {
  if (!size.symbol.empty()) return size.symbol;
  const auto expression = SizeExpression::parse(size.expression);
  return expression ? expression->words() : printable(size.expression, 200);
}

Json shape_json(const TensorMeta& meta) {
  Json shape = Json::array();
  for (const Extent& size : meta.sizes)
    shape.push_back(size.constant ? Json(*size.constant) : Json(size_words(size)));
  return shape;
}

Json dtype_json(std::int64_t number) {
  const DtypeRow* row = find_dtype(number);
  return row == nullptr ? Json(nullptr) : Json(row->name);
}

const char* number_type(ArgumentKind kind) {
  switch (kind) {
  case ArgumentKind::sym_int:
  case ArgumentKind::integer:
    return "integer";
  case ArgumentKind::sym_float:
  case ArgumentKind::floating:
    return "number";
  case ArgumentKind::sym_bool:
  case ArgumentKind::boolean:
    return "boolean";
  case ArgumentKind::string:
    return "string";
  default:
    return "none";
  }
}

// A value at the program's door: a tensor with dtype and shape, or a number.
Json value_json(const std::string& name, const Argument& argument, const Graph& graph) {
  const auto meta = graph.metas.find(argument.value);
  if (argument.kind != ArgumentKind::tensor) return {{"name", name}, {"type", number_type(argument.kind)}};
  Json value = {{"name", name}, {"type", "tensor"}, {"dtype", nullptr}, {"shape", nullptr}};
  if (meta == graph.metas.end()) return value;
  value["dtype"] = dtype_json(meta->second.dtype);
  value["shape"] = shape_json(meta->second);
  return value;
}

const Argument* find_input(const Graph& graph, ValueId value) {
  for (const Argument& input : graph.inputs)
    if (input.value == value) return &input;
  return nullptr;
}

Json constant_json(const InputSpec& spec) {
  Json value = Json::parse(spec.written, nullptr, false);
  return value.is_discarded() ? Json(nullptr) : value;
}

// One input, with a shape that the program takes.
Json input_json(const std::string& path, const Argument& argument, const Graph& graph, const Sizes& sizes) {
  Json input = value_json("in." + path, argument, graph);
  const auto meta = graph.metas.find(argument.value);
  if (argument.kind != ArgumentKind::tensor || meta == graph.metas.end()) return input;
  const auto shape = shape_at(meta->second, sizes);
  input["example_shape"] = shape ? Json(*shape) : Json(nullptr);
  return input;
}

void describe_inputs(const Program& program, Json& report) {
  Json inputs = Json::array(), constants = Json::array();
  const Sizes sizes = example_sizes(program);
  std::size_t position = 0;
  for (const InputSpec& spec : program.inputs) {
    if (spec.kind != InputKind::user && spec.kind != InputKind::constant) continue;
    const std::string& path = program.user_input_paths[position++];
    if (spec.kind == InputKind::constant)
      constants.push_back({{"name", path}, {"value", constant_json(spec)}});
    else if (const Argument* argument = find_input(program.graph, spec.value)) {
      inputs.push_back(input_json(path, *argument, program.graph, sizes));
      inputs.back()["position"] = position - 1; // `in.<position>` is its name, too
    }
  }
  report["inputs"] = std::move(inputs);
  report["constants"] = std::move(constants);
}

Result<void> describe_outputs(const Program& program, Json& report) {
  Json outputs = Json::array();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < program.outputs.size(); ++i) {
    if (!program.outputs[i].user) continue;
    names.push_back("out." + program.user_output_paths[names.size()]);
    outputs.push_back(value_json(names.back(), program.graph.outputs[i], program.graph));
  }
  report["outputs"] = std::move(outputs);
  MRUN_ASSIGN(report["output_tree"], leaf_tree(program.output_spec, program.named_tuples, names));
  return {};
}

void describe_symbols(const Program& program, Json& report) {
  Json symbols = Json::object(), guards = Json::array();
  for (const auto& [symbol, range] : program.ranges)
    symbols[symbol] = {{"min", range.min ? Json(*range.min) : Json(nullptr)},
                       {"max", range.max ? Json(*range.max) : Json(nullptr)}};
  for (const Guard& guard : program.guards)
    guards.push_back(guard.text());
  report["symbols"] = std::move(symbols);
  report["guards"] = std::move(guards);
  report["unchecked_guards"] = program.unread_guards;
}

struct Sum {
  std::uint64_t count = 0;
  std::uint64_t size_bytes = 0;
};

// Elements times their size; nullopt where the table says nothing that makes sense.
std::optional<std::uint64_t> bytes_of(const TensorMeta& meta) {
  const DtypeRow* row = find_dtype(meta.dtype);
  if (row == nullptr) return std::nullopt;
  std::uint64_t bytes = row->size_bytes;
  for (const Extent& size : meta.sizes)
    if (!size.constant || *size.constant < 0 ||
        __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(*size.constant), &bytes))
      return std::nullopt;
  return bytes;
}

Result<void> describe_weights(const Archive& archive, const ProgramPlace& place, const Program& program,
                              Json& report) {
  MRUN_ASSIGN(const Payloads weights, read_payloads(archive, place, "weights"));
  MRUN_ASSIGN(const Payloads constants, read_payloads(archive, place, "constants"));
  std::map<std::string, Sum> dtypes;
  Sum all;
  for (const InputSpec& spec : program.inputs) {
    if (spec.kind != InputKind::parameter && spec.kind != InputKind::buffer &&
        spec.kind != InputKind::tensor_constant)
      continue;
    const bool is_weight = weights.contains(spec.target);
    const auto found = is_weight ? weights.find(spec.target) : constants.find(spec.target);
    if (found == (is_weight ? weights : constants).end())
      return fail(ErrorCode::load_failed,
                  fmt::format("the archive has no weight `{}`", printable(spec.target, 120)));
    const Payload& payload = found->second;
    if (payload.pickled || !payload.has_meta) return refuse_pickled(spec.target);
    MRUN_ASSIGN(const std::string_view member,
                archive.stored_bytes(place.folder(is_weight ? "weights" : "constants") + payload.member));
    MRUN_TRY(payload_shape(payload.meta, member.size(), spec.target));
    const DtypeRow* row = find_dtype(payload.meta.dtype);
    const std::uint64_t bytes = bytes_of(payload.meta).value_or(0);
    for (Sum* sum : {&all, &dtypes[row == nullptr ? "unknown" : row->name]}) {
      ++sum->count;
      sum->size_bytes += bytes;
    }
  }
  Json by_dtype = Json::object();
  for (const auto& [name, sum] : dtypes)
    by_dtype[name] = {{"count", sum.count}, {"size_bytes", sum.size_bytes}};
  report["weights"] = {{"count", all.count}, {"size_bytes", all.size_bytes}, {"dtypes", std::move(by_dtype)}};
  return {};
}

Json operators_json(const OperatorUses& uses) {
  Json list = Json::array();
  std::size_t total = 0;
  for (const auto& [name, use] : uses) {
    list.push_back({{"name", name}, {"count", use.count}, {"available", use.available}});
    total += use.count;
  }
  std::stable_sort(list.begin(), list.end(), [](const Json& a, const Json& b) {
    return a["count"].get<std::size_t>() > b["count"].get<std::size_t>();
  });
  return {{"total", total}, {"list", std::move(list)}};
}

} // namespace

Result<void> report_exported(const Archive& archive, const CheckOptions& options, Json& report) {
  MRUN_ASSIGN(const ProgramPlace place, locate_program(archive));
  MRUN_ASSIGN(const std::string_view json, archive.stored_bytes(place.program()));
  MRUN_ASSIGN(const Program program, parse_program(json));
  if (!program.torch_version.empty()) report["torch_version"] = program.torch_version;
  report["schema_version"] = program.schema_version;
  describe_inputs(program, report);
  describe_symbols(program, report);
  report["operators"] = operators_json(count_operators(program, options));
  for (const Problem& problem : find_problems(program, options))
    report["problems"].push_back(problem_json(problem));
  for (const Problem& problem : find_cpu_problems(program, options))
    report["cpu_problems"].push_back(problem_json(problem));
  MRUN_TRY(describe_outputs(program, report));
  return describe_weights(archive, place, program, report);
}

} // namespace mrun::torch_engine
