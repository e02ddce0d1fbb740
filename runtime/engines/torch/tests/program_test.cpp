// Parsing of programs and pytree paths, without LibTorch.
#include <doctest/doctest.h>

#include "runtime/engines/torch/program.h"
#include "runtime/engines/torch/pytree.h"

namespace mrun::torch_engine {
namespace {

const std::string k_leaf = R"({"type": null, "context": null, "children_spec": []})";

std::string spec(const std::string& type, const std::string& context, const std::string& children) {
  return R"({"type": ")" + type + R"(", "context": ")" + context + R"(", "children_spec": [)" + children +
         "]}";
}
std::string versioned(const std::string& tree) {
  return "[1, " + tree + "]";
}

using Paths = std::vector<std::string>;

TEST_CASE("leaves are named by keys, fields and positions") {
  CHECK(*leaf_paths(versioned(k_leaf), {}) == Paths{"0"});
  const std::string pair = spec("builtins.tuple", "null", k_leaf + "," + k_leaf);
  CHECK(*leaf_paths(versioned(pair), {}) == Paths{"0", "1"});
  const std::string dict = spec("builtins.dict", R"([\"a\", 7])", pair + "," + k_leaf);
  CHECK(*leaf_paths(versioned(dict), {}) == Paths{"a.0", "a.1", "7"});
  const std::string tuple = spec("collections.namedtuple", "my.Pair", k_leaf + "," + pair);
  CHECK(*leaf_paths(versioned(tuple), {{"my.Pair", {"left", "right"}}}) ==
        Paths{"left", "right.0", "right.1"});
  CHECK(*leaf_paths(versioned(tuple), {}) == Paths{"0", "1.0", "1.1"});
  CHECK(*leaf_paths(versioned(spec("collections.defaultdict", R"({\"dict_context\": [\"x\", \"y\"]})",
                                   k_leaf + "," + k_leaf)),
                    {}) == Paths{"x", "y"});
}

// What torch.export.register_dataclass writes: names of the fields that are set, and of those that are None.
TEST_CASE("fields of dataclasses name their leaves") {
  const std::string two = spec("D2", R"([[\"logits\", \"boxes\"], []])", k_leaf + "," + k_leaf);
  CHECK(*leaf_paths(versioned(two), {}) == Paths{"logits", "boxes"});
  CHECK(leaf_tree(versioned(two), {}, {"a", "b"})->dump() == R"({"boxes":"b","logits":"a"})");
  const std::string three =
      spec("D3", R"([[\"a\", \"b\", \"c\"], [\"d\"]])", k_leaf + "," + two + "," + k_leaf);
  CHECK(*leaf_paths(versioned(three), {}) == Paths{"a", "b.logits", "b.boxes", "c"});
  CHECK(*leaf_paths(versioned(spec("D1", R"([[\"only\"], []])", k_leaf)), {}) == Paths{"only"});
  // A dict whose keys are tuples.
  const std::string dict = spec("builtins.dict", R"([[\"a\", \"b\"], [\"c\"]])", k_leaf + "," + k_leaf);
  CHECK(*leaf_paths(versioned(dict), {}) == Paths{R"(["a","b"])", R"(["c"])"});
}

TEST_CASE("arguments are named as forward names them") {
  const std::string args =
      spec("builtins.tuple", "null", k_leaf + "," + spec("builtins.list", "null", k_leaf));
  const std::string kwargs = spec("builtins.dict", R"([\"mask\"])", k_leaf);
  const std::string both = versioned(spec("builtins.tuple", "null", args + "," + kwargs));
  CHECK(*input_paths(both, {}, {"ids", "more", "mask"}) == Paths{"ids", "more.0", "mask"});
  CHECK(*input_paths(both, {}, {}) == Paths{"0", "1.0", "mask"});
}

TEST_CASE("a damaged specification is refused") {
  for (const std::string bad :
       {"", "[1, 7]", "[2, {}]", "[1, {}]", R"([1, {"type": null, "children_spec": 3}])"}) {
    CHECK(!leaf_paths(bad, {}));
    CHECK(!input_paths(bad, {}, {}));
  }
}

const std::string k_trace = R"~(File "/home/u/model.py", line 12, in forward
    return self.act(x)
  File "/v/site-packages/torch/nn/modules/activation.py", line 144, in forward
    return F.relu(input))~";

std::string input_spec() {
  const std::string args = spec("builtins.tuple", "null", k_leaf);
  return versioned(spec("builtins.tuple", "null", args + "," + spec("builtins.dict", "[]", "")));
}

std::string program_json(const std::string& nodes, const std::string& outputs) {
  return R"~({"schema_version": {"major": 8, "minor": 20}, "torch_version": "2.14.1",
    "range_constraints": {"s0": {"min_val": 2, "max_val": null}},
    "graph_module": {"graph": {"inputs": [{"as_tensor": {"name": "x"}}], "outputs": [)~" +
         outputs + R"~(], "nodes": [)~" + nodes + R"~(],
      "tensor_values": {"x": {"dtype": 7, "layout": 7, "storage_offset": {"as_int": 0},
        "sizes": [{"as_expr": {"expr_str": "Symbol('s0', integer=True)"}}, {"as_int": 3},
          {"as_expr": {"expr_str": "Mul(Integer(2), Symbol('s0'))"}}],
        "strides": [{"as_int": 3}, {"as_int": 1}, {"as_int": 1}]}}},
    "signature": {"input_specs": [{"user_input": {"arg": {"as_tensor": {"name": "x"}}}}],
      "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "y"}}}}]},
    "module_call_graph": [{"fqn": "", "signature": {"inputs": [], "outputs": [], "forward_arg_names": ["x"],
      "in_spec": )~" +
         Json(input_spec()).dump() + R"~(, "out_spec": )~" + Json(versioned(k_leaf)).dump() + "}}]}}";
}

std::string node(const std::string& input, const std::string& output) {
  return R"~({"target": "torch.ops.aten.relu.default", "name": ")~" + output +
         R"~(", "inputs": [{"name": "self", "arg": {"as_tensor": {"name": ")~" + input +
         R"~("}}}], "outputs": [{"as_tensor": {"name": ")~" + output +
         R"~("}}], "metadata": {"stack_trace": )~" + Json(k_trace).dump() + "}}";
}

TEST_CASE("a program's values, shapes, ranges and source lines are read") {
  const Result<Program> program =
      parse_program(program_json(node("x", "y"), R"({"as_tensor": {"name": "y"}})"));
  REQUIRE_MESSAGE(program, program.error().message);
  CHECK(program->user_input_paths == Paths{"x"});
  CHECK(program->user_output_paths == Paths{"0"});
  CHECK(program->graph.value_names == Paths{"x", "y"});
  CHECK(program->graph.nodes[0].source ==
        "model.py:12: return self.act(x)"); // the model's line, not PyTorch's
  const TensorMeta& meta = program->graph.metas.at(0);
  CHECK(meta.sizes[0].symbol == "s0");
  CHECK(meta.sizes[1].constant == 3);
  CHECK((meta.sizes[2].symbol.empty() && !meta.sizes[2].constant)); // an expression
  CHECK(program->ranges.at("s0").min == 2);
  CHECK(!program->ranges.at("s0").max);
}

TEST_CASE("values are defined before they are read, once") {
  const auto message = [](const std::string& nodes, const std::string& output) {
    const Result<Program> program =
        parse_program(program_json(nodes, R"({"as_tensor": {"name": ")" + output + R"("}})"));
    REQUIRE(!program);
    return program.error().message;
  };
  CHECK(message(node("y", "y"), "y").find("reads `y`, which nothing before it defines") != std::string::npos);
  CHECK(message(node("z", "y") + "," + node("y", "z"), "y").find("reads `z`") != std::string::npos);
  CHECK(message(node("x", "y") + "," + node("x", "y"), "y").find("defines `y` a second time") !=
        std::string::npos);
  CHECK(message(node("x", "y"), "ghost").find("output reads `ghost`") != std::string::npos);
}

TEST_CASE("a weight table is read; a damaged one is refused") {
  const Result<Payloads> payloads = parse_payloads(
      R"({"config": {"a.weight": {"path_name": "weight_0", "is_param": true, "use_pickle": false, "tensor_meta": null}}})",
      "weights");
  REQUIRE(payloads);
  CHECK(payloads->at("a.weight").member == "weight_0");
  CHECK(!payloads->at("a.weight").has_meta);
  for (const std::string bad : {"", "[]", "{}", R"({"config": 7})", R"({"config": {"a": {}}})"})
    CHECK(!parse_payloads(bad, "weights"));
}

} // namespace
} // namespace mrun::torch_engine
