// What can be known of a file without LibTorch: operators, TorchScript code.
#include <doctest/doctest.h>

#include "runtime/engines/torch/inspect/operator_table.h"
#include "runtime/engines/torch/inspect/program_check.h"
#include "runtime/engines/torch/inspect/script_code.h"
#include "runtime/engines/torch/inspect/size_expression.h"

namespace mrun::torch_engine {
namespace {

Program program_of(const std::vector<std::string>& targets) {
  Program program;
  for (const std::string& target : targets) {
    Node node;
    node.target = target;
    node.name = "n" + std::to_string(program.graph.nodes.size());
    node.source = "net.py:7: x = f(x)";
    program.graph.nodes.push_back(std::move(node));
  }
  return program;
}

TEST_CASE("the operators of LibTorch are looked up by name and overload") {
  const auto table = OperatorTable::parse("torch 2.14.1\naten::add.Tensor\naten::linear\n");
  REQUIRE(table);
  CHECK(table->torch_version() == "2.14.1");
  CHECK(table->contains("aten::add", "Tensor"));
  CHECK(table->contains("aten::linear", ""));
  CHECK_FALSE(table->contains("aten::add", ""));
  CHECK_FALSE(table->has_script_operator("aten::add"));
  const auto whole = OperatorTable::parse("torch 2.14.1\naten::rand.generator\tgenerator:Generator?\n"
                                          "aten::rnn\tno-cpu\nscript\naten::append\naten::rnn\n");
  REQUIRE(whole);
  CHECK(whole->has_script_operator("aten::append"));
  CHECK_FALSE(whole->has_script_operator("aten::rand"));
  CHECK_FALSE(whole->contains("aten::append", ""));
  CHECK_FALSE(whole->find("aten::rnn", "")->has_cpu_kernel);
  REQUIRE(whole->find("aten::rand", "generator")->not_carried.size() == 1);
  CHECK(whole->find("aten::rand", "generator")->not_carried[0].type == "Generator?");
  CHECK_FALSE(OperatorTable::parse(""));
  CHECK_FALSE(OperatorTable::parse("torch 2.14.1\nb\na\n"));
}

TEST_CASE("what a program lacks is named once, with node and Python line") {
  const auto table = OperatorTable::parse("torch 2.14.1\naten::add.Tensor\n");
  REQUIRE(table);
  const CheckOptions options{&*table, false};
  const Program good =
      program_of({"torch.ops.aten.add.Tensor", "_operator.add", "torch.ops.higher_order.cond"});
  CHECK(find_problems(good, options).empty());

  const Program bad = program_of({"torch.ops.mylib.magic.default", "torch.ops.mylib.magic.default",
                                  "torch.ops.aten.newer.default", "torch.ops.aten.from_file.default",
                                  "torch.ops.higher_order.flex_attention", "builtins.open"});
  const std::vector<Problem> problems = find_problems(bad, options);
  REQUIRE(problems.size() == 5);
  CHECK(problems[0].message == "node `n0` (torch.ops.mylib.magic.default): LibTorch has no such operator");
  CHECK(problems[0].hint.find("operators: [") != std::string::npos);
  CHECK(problems[0].source == "net.py:7: x = f(x)");
  CHECK(problems[1].message.find("LibTorch 2.14.1 has no such operator") != std::string::npos);
  CHECK(problems[2].message.find("may not be used by a program") != std::string::npos);
  CHECK(problems[3].message.find("higher-order operator is not supported") != std::string::npos);
  CHECK(problems[4].message.find("Python function") != std::string::npos);

  const OperatorUses uses = count_operators(bad, options);
  CHECK(uses.at("mylib.magic.default").count == 2);
  CHECK_FALSE(uses.at("mylib.magic.default").available);
  // With a library of operators in the bundle unknown ones are looked up when it is open.
  CHECK(find_problems(program_of({"torch.ops.mylib.magic.default"}), {&*table, true}).empty());
  CHECK(find_problems(program_of({"torch.ops.aten.from_file.default"}), {&*table, true}).size() == 1);
}

TEST_CASE("operators of torchvision that the engine brings are there, without a library") {
  const auto table = OperatorTable::parse("torch 2.14.1\naten::add.Tensor\n");
  REQUIRE(table);
  const CheckOptions options{&*table, false};
  CHECK(find_problems(
            program_of({"torch.ops.torchvision.nms.default", "torch.ops.torchvision.roi_align.default"}),
            options)
            .empty());
  const std::vector<Problem> problems =
      find_problems(program_of({"torch.ops.torchvision.qnms.default"}), options);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].message.find("LibTorch has no such operator") != std::string::npos);
}

TEST_CASE("arguments that no operator takes are named") {
  Program program = program_of({"torch.ops.aten.add.Tensor"});
  Argument argument;
  argument.kind = ArgumentKind::custom_obj;
  program.graph.nodes[0].inputs.push_back({"self", argument});
  const std::vector<Problem> problems = find_problems(program, {});
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].message.find("argument `self` is a custom class") != std::string::npos);
}

constexpr std::string_view k_code = R"(class Net(Module):
  weight : Tensor
  def forward(self: __torch__.my.Net,
    x: Tensor,
    n: int=3,
    pair: Optional[Tuple[int, int]]=None) -> Tuple[Tensor, Tensor]:
    y = torch.conv2d(torch.add(x, n), self.weight)
    return (ops.quantized.linear(y), torch.add(y, 1))
class Other(Module):
  def forward(self: __torch__.my.Other) -> Tensor:
    return torch.from_file("x")
)";

TEST_CASE("forward's arguments are read from a script's code") {
  CHECK(script_class("\x80\x02"
                     "c__torch__.my\nNet\nq\x01") == "__torch__.my.Net");
  CHECK(script_class("nothing").empty());
  const auto forward = script_forward(k_code, "Net");
  REQUIRE(forward);
  REQUIRE(forward->arguments.size() == 3);
  CHECK(forward->arguments[0].name == "x");
  CHECK(forward->arguments[0].type == "Tensor");
  CHECK_FALSE(forward->arguments[0].optional);
  CHECK(forward->arguments[1].type == "int");
  CHECK(forward->arguments[1].optional);
  CHECK(forward->arguments[2].type == "Optional[Tuple[int, int]]");
  CHECK(forward->result == "Tuple[Tensor, Tensor]");
  CHECK_FALSE(script_forward(k_code, "Missing"));
  CHECK_FALSE(script_forward("class Net(Module):\n  def forward(self", "Net"));
}

TEST_CASE("arguments that the executor does not carry and operators without a kernel for the CPU are named") {
  const auto table = OperatorTable::parse("torch 2.14.1\naten::rand.generator\tgenerator:Generator?\n"
                                          "aten::rnn\tno-cpu\n");
  REQUIRE(table);
  const CheckOptions options{&*table, false};
  Program program =
      program_of({"torch.ops.aten.rand.generator", "torch.ops.aten.rnn.default", "torch.ops.aten.rnn.default",
                  "torch.ops.quantized_decomposed.quantize_per_tensor.default",
                  "torch.ops.quantized_decomposed.fake_quant_per_channel.default"});
  NamedArgument generator;
  generator.name = "generator";
  program.graph.nodes[0].inputs.push_back(generator); // none: nothing is carried
  REQUIRE(find_problems(program, options).size() == 1);
  CHECK(find_problems(program, options)[0].message.find("fake_quant_per_channel") != std::string::npos);
  program.graph.nodes[0].inputs[0].argument.kind = ArgumentKind::custom_obj;
  const std::vector<Problem> problems = find_problems(program, options);
  REQUIRE(problems.size() == 2);
  CHECK(problems[1].message.find("argument `generator` of type Generator? is not supported") !=
        std::string::npos);
  const std::vector<Problem> on_cpu = find_cpu_problems(program, options);
  REQUIRE(on_cpu.size() == 1);
  CHECK(on_cpu[0].message.find("no kernel of this operator for the CPU") != std::string::npos);
  CHECK(on_cpu[0].hint.find("devices: [cuda]") != std::string::npos);
}

TEST_CASE("sizes are expressions of symbols") {
  const auto size =
      SizeExpression::parse("Add(Mul(Integer(32), Symbol('s0', positive=True, integer=True)), Integer(-1))");
  REQUIRE(size);
  CHECK(size->words() == "32*s0 + -1");
  CHECK(size->value({{"s0", 3}}) == 95);
  CHECK_FALSE(size->value({{"s1", 3}}));
  CHECK_FALSE(size->value({{"s0", INT64_MAX / 2}}));
  for (const std::string bad :
       {"", "Mul(", "Integer(x)", "Symbol('s0'", "Pow(Symbol('a'), Integer(2))", "Integer(1))"})
    CHECK_FALSE(SizeExpression::parse(bad));
  const auto linear = [](const char* text) { return SizeExpression::parse(text)->linear(); };
  const auto shape = linear("Add(Mul(Integer(2), Add(Symbol('s0'), Integer(3))), Symbol('s0'), Integer(-1))");
  REQUIRE(shape);
  CHECK(shape->symbol == "s0");
  CHECK(shape->factor == 3);
  CHECK(shape->offset == 5);
  for (const char* other :
       {"Integer(4)", "Mul(Symbol('s0'), Symbol('s0'))", "Add(Symbol('s0'), Symbol('s1'))",
        "Mul(Integer(0), Symbol('s0'))", "Mul(Integer(4611686018427387904), Integer(2), Symbol('s0'))"})
    CHECK_FALSE(linear(other));
  std::string deep;
  for (int i = 0; i < 100; ++i)
    deep += "Add(";
  CHECK_FALSE(SizeExpression::parse(deep));
}

TEST_CASE("a script's operators are counted by its text") {
  std::map<std::string, std::size_t> uses;
  count_script_operators(k_code, uses);
  CHECK(uses == std::map<std::string, std::size_t>{
                    {"aten::add", 2}, {"aten::conv2d", 1}, {"aten::from_file", 1}, {"quantized::linear", 1}});
}

TEST_CASE("operators in a script's text do not count") {
  std::map<std::string, std::size_t> uses;
  count_script_operators(R"(  ops.prim.RaiseException("use torch.dot(x) or \"torch.add(x)\"", 'torch.mul(')
  return torch.relu(x))",
                         uses);
  CHECK(uses == std::map<std::string, std::size_t>{{"aten::relu", 1}, {"prim::RaiseException", 1}});
}

TEST_CASE("types that inputs can be are those of tensors, numbers, text and collections of them") {
  for (const char* type : {"Tensor", "", "int", "List[Tensor]", "Optional[List[int]]",
                           "Tuple[Tensor, List[float]]", "Dict[str, Tuple[Tensor, int]]"})
    CHECK_MESSAGE(is_bindable(type), type);
  for (const char* type : {"Device", "Dict[int, Tensor]", "__torch__.my.Pair", "List[__torch__.my.Pair]",
                           "Tuple[]", "List[Tensor", "Future[Tensor]"})
    CHECK_FALSE_MESSAGE(is_bindable(type), type);
  std::string deep;
  for (int i = 0; i < 1000; ++i)
    deep += "List[";
  CHECK_FALSE(is_bindable(deep + "int" + std::string(1000, ']')));
}

TEST_CASE("compressed members are inflated under a limit") {
  const std::string packed("\x4b\x4c\x84\x01\x00", 5); // "aaaaaaaaaa", raw deflate
  const auto text = inflate_raw(packed, 100);
  REQUIRE(text);
  CHECK(*text == std::string(10, 'a'));
  CHECK_FALSE(inflate_raw(packed, 5));
  CHECK_FALSE(inflate_raw(packed.substr(0, 3), 100));
  CHECK_FALSE(inflate_raw("\xff\xff\xff", 100));
}

} // namespace
} // namespace mrun::torch_engine
