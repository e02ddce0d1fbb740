#include <algorithm>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"
#include "runtime/engines/torch/allowed.h"
#include "runtime/engines/torch/inspect/reports.h"
#include "runtime/engines/torch/inspect/script_code.h"

namespace mrun::torch_engine {
namespace {

constexpr std::size_t k_max_code_bytes = 64 * k_mib; // of one member

// Without the folder that the archive's members lie in.
std::string_view inner_name(std::string_view name) {
  const std::size_t slash = name.find('/');
  return slash == std::string_view::npos ? name : name.substr(slash + 1);
}

Result<std::string> member_text(const Archive& archive, const ZipMember& member) {
  MRUN_ASSIGN(const std::string_view bytes, span_of(archive.file(), member.offset, member.size_bytes));
  if (member.stored) return std::string(bytes);
  return inflate_raw(bytes, k_max_code_bytes);
}

bool is_collection(std::string_view type) {
  return type.starts_with("List[") || type.starts_with("Dict[") || type.starts_with("Tuple[");
}

Json input_json(const ScriptArgument& argument) {
  std::string_view type = argument.type;
  Json input = {{"name", "in." + argument.name}, {"optional", argument.optional}};
  constexpr std::string_view k_optional = "Optional[";
  if (type.starts_with(k_optional))
    type = type.substr(k_optional.size(), type.size() - k_optional.size() - 1);
  const bool collection = is_collection(type);
  if (collection || type.empty() || type == "Tensor") { // what has no type is a tensor
    input["type"] = collection ? "collection" : "tensor";
    input["dtype"] = nullptr; // a script takes what it is given
    input["shape"] = nullptr;
  } else {
    input["type"] = type == "int"     ? "integer"
                    : type == "float" ? "number"
                    : type == "bool"  ? "boolean"
                                      : "string";
  }
  return input;
}

// Of a library of the bundle's own, which is looked at when it is open.
bool is_brought(std::string_view operator_name, const CheckOptions& options) {
  return options.operator_libraries && !is_known_namespace(operator_name);
}

// What keeps the operator from being called; no message: nothing.
Problem lack_of_operator(const std::string& name, std::string_view member, const CheckOptions& options) {
  const std::string where = fmt::format("TorchScript: operator `{}` in `{}`", name, printable(member, 200));
  if (is_brought(name, options)) return {};
  if (!is_known_namespace(name))
    return {where + " is not one of LibTorch's",
            "name the library that registers it under `options: {operators: […]}` in mrun.yaml", ""};
  if (!may_run(name)) return {where + " may not be used by a model", "", ""};
  if (options.table == nullptr || options.table->has_script_operator(name)) return {};
  return {fmt::format("{} is not in LibTorch {}", where, options.table->torch_version()),
          "the file may be of a newer PyTorch: save it with that version", ""};
}

void check_code(std::string_view member, std::string_view code,
                const std::map<std::string, std::size_t>& uses, const CheckOptions& options, Json& problems) {
  if (code.find("__setstate__") != std::string_view::npos)
    problems.push_back(problem_json(
        {fmt::format("TorchScript: `{}` has a `__setstate__`, code that would run while the file is loaded",
                     printable(member, 200)),
         "torch.jit.freeze the module before it is saved, or export it by torch.export", ""}));
  for (const auto& [name, count] : uses)
    if (const Problem problem = lack_of_operator(name, member, options); !problem.message.empty())
      problems.push_back(problem_json(problem));
}

// As script_inputs.h, which looks at the types themselves.
void check_inputs(const ScriptForward& forward, Json& problems) {
  for (const ScriptArgument& argument : forward.arguments)
    if (!argument.has_default && !is_bindable(argument.type))
      problems.push_back(problem_json(
          {fmt::format("TorchScript: `forward` takes `{}` of type {}, which no input can be",
                       printable(argument.name, 80), printable(argument.type, 200)),
           "let it take tensors, numbers, text, or lists, tuples and dicts (by text) of them", ""}));
}

} // namespace

Result<void> report_script(const Archive& archive, const CheckOptions& options, Json& report) {
  std::map<std::string, std::size_t> all;
  std::map<std::string, std::string, std::less<>>
      codes; // by class path: "__torch__.my.Net" lies in __torch__/my.py
  std::string class_path;
  std::uint64_t weight_bytes = 0, weights = 0;
  for (const ZipMember& member : archive.directory().members()) {
    const std::string_view name = inner_name(member.name);
    if (name == "data.pkl") {
      MRUN_ASSIGN(const std::string pickle, member_text(archive, member));
      class_path = script_class(pickle);
    } else if (name.starts_with("data/") || name.starts_with("constants/")) {
      ++weights;
      weight_bytes += member.size_bytes;
    } else if (name.starts_with("code/") && name.ends_with(".py")) {
      MRUN_ASSIGN(std::string code, member_text(archive, member));
      std::map<std::string, std::size_t> uses;
      count_script_operators(code, uses);
      check_code(name, code, uses, options, report["problems"]);
      for (const auto& [operator_name, count] : uses)
        all[operator_name] += count;
      codes.emplace(name.substr(5, name.size() - 8), std::move(code));
    }
  }
  Json list = Json::array();
  std::size_t total = 0;
  for (const auto& [name, count] : all) {
    list.push_back({{"name", name},
                    {"count", count},
                    {"available", lack_of_operator(name, "", options).message.empty()}});
    total += count;
  }
  report["operators"] = {{"total", total}, {"list", std::move(list)}};
  report["weights"] = {{"count", weights}, {"size_bytes", weight_bytes}, {"dtypes", nullptr}};
  const std::size_t dot = class_path.rfind('.');
  if (dot == std::string::npos) return {};
  std::string folder = class_path.substr(0, dot);
  std::ranges::replace(folder, '.', '/');
  const auto code = codes.find(folder);
  if (code == codes.end()) return {};
  MRUN_ASSIGN(const ScriptForward forward, script_forward(code->second, class_path.substr(dot + 1)));
  for (const ScriptArgument& argument : forward.arguments)
    report["inputs"].push_back(input_json(argument));
  check_inputs(forward, report["problems"]);
  report["result_type"] = printable(forward.result, 400);
  return {};
}

} // namespace mrun::torch_engine
