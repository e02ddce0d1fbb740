#include "runtime/engines/torch/program.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "common/text.h"
#include "runtime/engines/torch/graph_parse.h"
#include "runtime/engines/torch/pytree.h"

namespace mrun::torch_engine {
namespace {

namespace dom = simdjson::dom;

// The member of a union, which is an object with one.
dom::key_value_pair only_member(dom::element element) {
  const dom::object object = element.get_object();
  if (object.size() != 1) damaged("its signature has a part that is not a union of one");
  return *object.begin();
}

constexpr std::size_t k_max_written = 200;

// The value of {"as_string": "x"} and its like, as JSON.
std::string written(dom::element value) {
  dom::object members;
  if (value.get(members) != simdjson::SUCCESS || members.size() != 1) return {};
  const dom::key_value_pair member = *members.begin();
  if (member.key == "as_none") return "null";
  if (!member.value.is_number() && !member.value.is_bool() && !member.value.is_string()) return {};
  std::string text = simdjson::minify(member.value);
  return text.size() <= k_max_written ? text : std::string();
}

// {"as_int": 3}, {"as_float": …}, {"as_bool": …}; nullopt for a string or None, which nothing is compared
// with.
std::optional<GuardNumber> constant_of(dom::element value) {
  if (!value.is_object()) return std::nullopt;
  std::int64_t integer = 0;
  double real = 0;
  bool truth = false;
  if (value["as_int"].get(integer) == simdjson::SUCCESS) return integer;
  if (value["as_bool"].get(truth) == simdjson::SUCCESS) return std::int64_t{truth};
  if (value["as_float"].get(real) == simdjson::SUCCESS) return real;
  return std::nullopt;
}

InputSpec input_spec(dom::element element, const std::unordered_map<std::string, ValueId>& ids) {
  const dom::key_value_pair pair = only_member(element);
  const auto id = [&](dom::element name) {
    const auto found = ids.find(text_of(name));
    if (found == ids.end())
      damaged(fmt::format("its signature names `{}`, no input of the graph", printable(name, 80)));
    return found->second;
  };
  const dom::element value = pair.value;
  const std::string_view kind = pair.key;
  if (kind == "parameter")
    return {InputKind::parameter, id(value["arg"]["name"]), text_of(value["parameter_name"])};
  if (kind == "buffer") return {InputKind::buffer, id(value["arg"]["name"]), text_of(value["buffer_name"])};
  if (kind == "tensor_constant")
    return {InputKind::tensor_constant, id(value["arg"]["name"]), text_of(value["tensor_constant_name"])};
  if (kind == "constant_input")
    return {InputKind::constant, k_no_value, text_of(value["name"]), constant_of(value["value"]),
            written(value["value"])};
  if (kind == "token") return {InputKind::token, k_no_value, {}};
  if (kind != "user_input")
    refuse(ErrorCode::engine_unsupported,
           fmt::format("the program has an input of kind `{}` (a custom object)", printable(kind, 40)));
  const dom::key_value_pair argument = only_member(value["arg"]);
  dom::element name;
  if (argument.value["name"].get(name) == simdjson::SUCCESS ||
      argument.value["as_name"].get(name) == simdjson::SUCCESS)
    return {InputKind::user, id(name), {}};
  return {InputKind::constant, k_no_value, {}, constant_of(value["arg"]), written(value["arg"])};
}

void read_signature(dom::element module, Program& program) {
  std::unordered_map<std::string, ValueId> ids;
  for (const Argument& input : program.graph.inputs)
    if (input.value != k_no_value)
      ids.emplace(program.graph.value_names[static_cast<std::size_t>(input.value)], input.value);
  for (const dom::element spec : module["signature"]["input_specs"].get_array())
    program.inputs.push_back(input_spec(spec, ids));
  for (const dom::element spec : module["signature"]["output_specs"].get_array()) {
    const std::string_view kind = only_member(spec).key;
    program.outputs.push_back({kind == "user_output" || kind == "loss_output"});
  }
  if (program.outputs.size() != program.graph.outputs.size())
    damaged("its signature and its graph differ in outputs");
}

NamedTuples named_tuples_of(dom::element module) {
  NamedTuples tuples;
  dom::element fields;
  if (module["treespec_namedtuple_fields"].get(fields) != simdjson::SUCCESS || !fields.is_object())
    return tuples;
  for (const auto [name, tuple] : fields.get_object())
    for (const dom::element field : tuple["field_names"].get_array())
      tuples[std::string(name)].push_back(text_of(field));
  return tuples;
}

template<class T>
T value_or_refuse(Result<T> result) {
  if (!result) throw Refused{std::move(result).error()};
  return std::move(*result);
}

void read_paths(dom::element module, Program& program) {
  const dom::element call = module["module_call_graph"].at(0)["signature"];
  std::vector<std::string> names;
  dom::element list;
  if (call["forward_arg_names"].get(list) == simdjson::SUCCESS && list.is_array())
    for (const dom::element name : list.get_array())
      names.push_back(text_of(name));
  const NamedTuples tuples = named_tuples_of(module);
  program.output_spec = text_of(call["out_spec"]);
  program.user_input_paths = value_or_refuse(input_paths(call["in_spec"], tuples, names));
  program.user_output_paths = value_or_refuse(leaf_paths(call["out_spec"], tuples));
  std::size_t inputs = 0;
  for (const InputSpec& spec : program.inputs)
    inputs += spec.kind == InputKind::user || spec.kind == InputKind::constant;
  std::size_t outputs = 0;
  for (const OutputSpec& spec : program.outputs)
    outputs += spec.user;
  if (inputs != program.user_input_paths.size() || outputs != program.user_output_paths.size())
    damaged("its signature and its pytree specification differ");
  program.named_tuples = tuples;
}

void read_ranges(dom::element root, Program& program) {
  for (const auto [symbol, element] : root["range_constraints"].get_object()) {
    Range range;
    if (element["min_val"].is_int64()) range.min = element["min_val"].get_int64();
    if (element["max_val"].is_int64()) range.max = element["max_val"].get_int64();
    program.ranges.emplace(std::string(symbol), range);
  }
}

// Absent in programs of older versions.
void read_guards(dom::element root, Program& program) {
  dom::element list;
  if (root["guards_code"].get(list) != simdjson::SUCCESS || !list.is_array()) return;
  for (const dom::element text : list.get_array()) {
    if (program.guards.size() + program.unread_guards.size() >= k_max_guards)
      damaged(fmt::format("it has over {} guards", k_max_guards));
    if (auto guard = Guard::parse(text.get_string()))
      program.guards.push_back(std::move(*guard));
    else
      program.unread_guards.push_back(text_of(text));
  }
}

// Runs `body` on the parsed document and turns what it throws into an error.
template<class Body>
auto parse_with(std::string_view json, std::string_view what,
                Body body) -> Result<decltype(body(dom::element()))> {
  if (json.size() > k_max_program_bytes)
    return fail(ErrorCode::load_failed, fmt::format("{} has {} bytes, at most {} are allowed", what,
                                                    json.size(), k_max_program_bytes));
  try {
    dom::parser parser(k_max_program_bytes);
    if (const auto problem = parser.allocate(json.size(), k_max_program_depth); problem != simdjson::SUCCESS)
      return fail(ErrorCode::out_of_memory, fmt::format("no memory to parse {}", what));
    return body(parser.parse(json.data(), json.size()).value());
  } catch (const Refused& refused) {
    return tl::unexpected(refused.error);
  } catch (const simdjson::simdjson_error& error) {
    return fail(ErrorCode::load_failed, fmt::format("{} is damaged: {}", what, error.what()));
  }
}

} // namespace

Result<Program> parse_program(std::string_view json) {
  return parse_with(json, "the program", [](dom::element root) {
    Program program;
    const std::int64_t major = root["schema_version"]["major"].get_int64();
    if (major != k_schema_major)
      refuse(ErrorCode::engine_unsupported,
             fmt::format("the program has schema version {}, this version reads {} (torch 2.6 to 2.15)",
                         major, k_schema_major));
    std::int64_t minor = 0;
    program.schema_version = root["schema_version"]["minor"].get(minor) == simdjson::SUCCESS
                                 ? fmt::format("{}.{}", major, minor)
                                 : std::to_string(major);
    dom::element version;
    if (root["torch_version"].get(version) == simdjson::SUCCESS && version.is_string())
      program.torch_version = text_of(version);
    const dom::element module = root["graph_module"];
    program.graph = parse_graph(module["graph"]);
    read_signature(module, program);
    read_paths(module, program);
    read_ranges(root, program);
    read_guards(root, program);
    return program;
  });
}

Result<Payloads> parse_payloads(std::string_view json, std::string_view what) {
  return parse_with(json, what, [](dom::element root) {
    Payloads payloads;
    for (const auto [name, element] : root["config"].get_object()) {
      Payload payload;
      payload.member = text_of(element["path_name"]);
      payload.pickled = element["use_pickle"].get_bool();
      dom::element meta;
      payload.has_meta = element["tensor_meta"].get(meta) == simdjson::SUCCESS && meta.is_object();
      if (payload.has_meta) payload.meta = parse_meta(meta);
      payloads.emplace(std::string(name), std::move(payload));
    }
    return payloads;
  });
}

} // namespace mrun::torch_engine
