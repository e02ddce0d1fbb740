#include "runtime/engines/torch/graph_parse.h"

#include <array>
#include <cmath>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::torch_engine {
namespace {

namespace dom = simdjson::dom;

// A float may be written without a fraction, and Python writes NaN and infinities as strings.
double number_of(dom::element element) {
  if (element.is_string()) {
    const std::string_view word = element;
    if (word == "Infinity") return HUGE_VAL;
    if (word == "-Infinity") return -HUGE_VAL;
    if (word == "NaN") return NAN;
    damaged(fmt::format("`{}` is not a number", printable(word, 40)));
  }
  return element.get_double();
}

Extent extent_of(dom::element element) {
  Extent extent;
  dom::element part;
  if (element["as_int"].get(part) == simdjson::SUCCESS) {
    extent.constant = part.get_int64();
    return extent;
  }
  // `Symbol('s43', positive=True, integer=True)` since 2.6, `s43` before; anything else is an expression.
  const std::string_view whole = element["as_expr"]["expr_str"];
  std::string_view text = whole;
  constexpr std::string_view k_prefix = "Symbol('";
  if (text.starts_with(k_prefix)) {
    text.remove_prefix(k_prefix.size());
    const std::size_t quote = text.find('\'');
    if (quote == std::string_view::npos || text.find("Symbol(") != std::string_view::npos ||
        text.back() != ')') {
      extent.expression = std::string(whole);
      return extent;
    }
    text = text.substr(0, quote);
  }
  const bool symbol = text.find_first_of(" ()*+-/,") == std::string_view::npos;
  (symbol ? extent.symbol : extent.expression) = std::string(text);
  return extent;
}

std::vector<Extent> extents_of(dom::element list) {
  std::vector<Extent> extents;
  for (const dom::element item : list.get_array())
    extents.push_back(extent_of(item));
  return extents;
}

// A frame of a stack trace in one line: `modeling_bert.py:95: token_type_ids = …`. `trace` begins behind
// `File "`.
std::string frame_text(std::string_view trace) {
  const std::size_t quote = trace.find("\", line ");
  if (quote == std::string_view::npos) return {};
  const std::string_view path = trace.substr(0, quote);
  const std::string_view rest = trace.substr(quote + 8);
  const std::string_view line = rest.substr(0, rest.find_first_not_of("0123456789"));
  const std::size_t code = rest.find('\n');
  std::string_view words = code == std::string_view::npos ? std::string_view() : rest.substr(code + 1);
  words = words.substr(0, words.find('\n'));
  words.remove_prefix(std::min(words.find_first_not_of(' '), words.size()));
  return fmt::format("{}:{}: {}", printable(path.substr(path.rfind('/') + 1), 80), line,
                     printable(words, 160));
}

// The innermost frame outside of PyTorch itself, or the innermost one.
std::string innermost_source(std::string_view trace) {
  constexpr std::string_view k_mark = "File \"";
  std::string_view innermost;
  std::size_t end = std::string_view::npos;
  while (true) {
    const std::size_t frame = trace.rfind(k_mark, end);
    if (frame == std::string_view::npos) break;
    const std::string_view text = trace.substr(frame + k_mark.size());
    if (innermost.empty()) innermost = text;
    const std::string_view path = text.substr(0, text.find('"'));
    if (path.find("-packages/torch/") == std::string_view::npos && !path.starts_with("torch/") &&
        !path.starts_with('<'))
      return frame_text(text);
    if (frame == 0) break;
    end = frame - 1;
  }
  return innermost.empty() ? std::string() : frame_text(innermost);
}

constexpr std::array<std::pair<std::string_view, ArgumentKind>, 31> k_kinds = {{
    {"as_tensor", ArgumentKind::tensor},
    {"as_int", ArgumentKind::integer},
    {"as_none", ArgumentKind::none},
    {"as_ints", ArgumentKind::integers},
    {"as_float", ArgumentKind::floating},
    {"as_bool", ArgumentKind::boolean},
    {"as_tensors", ArgumentKind::tensors},
    {"as_sym_int", ArgumentKind::sym_int},
    {"as_sym_ints", ArgumentKind::sym_ints},
    {"as_scalar_type", ArgumentKind::scalar_type},
    {"as_device", ArgumentKind::device},
    {"as_layout", ArgumentKind::layout},
    {"as_memory_format", ArgumentKind::memory_format},
    {"as_string", ArgumentKind::string},
    {"as_strings", ArgumentKind::strings},
    {"as_floats", ArgumentKind::floats},
    {"as_bools", ArgumentKind::booleans},
    {"as_sym_bool", ArgumentKind::sym_bool},
    {"as_sym_bools", ArgumentKind::sym_bools},
    {"as_sym_float", ArgumentKind::sym_float},
    {"as_sym_floats", ArgumentKind::sym_floats},
    {"as_optional_tensor", ArgumentKind::optional_tensor},
    {"as_optional_tensors", ArgumentKind::optional_tensors},
    {"as_graph", ArgumentKind::graph},
    {"as_custom_obj", ArgumentKind::custom_obj},
    {"as_operator", ArgumentKind::op},
    {"as_complex", ArgumentKind::complex_number},
    {"as_nested_tensors", ArgumentKind::nested_tensors},
    {"as_int_lists", ArgumentKind::int_lists},
    {"as_float_lists", ArgumentKind::float_lists},
    {"as_string_to_argument", ArgumentKind::string_to_argument},
}};

ArgumentKind kind_of(std::string_view key) {
  for (const auto& [name, kind] : k_kinds)
    if (name == key) return kind;
  refuse(ErrorCode::engine_unsupported,
         fmt::format("the program has an argument of kind `{}`, which this version does not know",
                     printable(key, 40)));
}

// Parses one graph; names are its own.
class GraphParser {
 public:
  Graph parse(dom::element element);

 private:
  Argument argument(dom::element element, bool defines);
  void named(Argument& result, std::string_view name, bool defines);
  void symbolic(Argument& result, dom::element element, bool defines);
  Element list_element(ArgumentKind kind, dom::element element, bool defines);
  ValueId resolve(std::string_view name, bool defines);
  Node node(dom::element element);
  void read_meta(const Argument& argument, dom::element metas);

  Graph m_graph;
  std::unordered_map<std::string_view, ValueId> m_ids; // views into simdjson's own text
  std::string m_where = "the graph's inputs";
};

ValueId GraphParser::resolve(std::string_view name, bool defines) {
  const auto found = m_ids.find(name);
  if (!defines) {
    if (found != m_ids.end()) return found->second;
    damaged(fmt::format("{} reads `{}`, which nothing before it defines", m_where, printable(name, 80)));
  }
  const auto id = static_cast<ValueId>(m_graph.value_names.size());
  if (!m_ids.emplace(name, id).second)
    damaged(fmt::format("{} defines `{}` a second time", m_where, printable(name, 80)));
  m_graph.value_names.emplace_back(name);
  return id;
}

void GraphParser::named(Argument& result, std::string_view name, bool defines) {
  result.value = name.empty() ? k_no_value : resolve(name, defines);
}

void GraphParser::symbolic(Argument& result, dom::element element, bool defines) {
  dom::element part;
  if (element["as_name"].get(part) == simdjson::SUCCESS) return named(result, part, defines);
  if (element["as_int"].get(part) == simdjson::SUCCESS)
    result.integer = part.get_int64();
  else if (element["as_bool"].get(part) == simdjson::SUCCESS)
    result.integer = part.get_bool() ? 1 : 0;
  else
    result.floating = number_of(element["as_float"]);
}

Element GraphParser::list_element(ArgumentKind kind, dom::element element, bool defines) {
  Element result;
  Argument symbol;
  switch (kind) {
  case ArgumentKind::tensors:
    result.value = resolve(element["name"], defines);
    break;
  case ArgumentKind::optional_tensors: {
    dom::element tensor;
    if (element["as_tensor"].get(tensor) == simdjson::SUCCESS)
      result.value = resolve(tensor["name"], defines);
    break;
  }
  case ArgumentKind::integers:
    result.integer = element.get_int64();
    break;
  case ArgumentKind::booleans:
    result.integer = element.get_bool() ? 1 : 0;
    break;
  case ArgumentKind::floats:
    result.floating = number_of(element);
    break;
  default:
    symbolic(symbol, element, defines);
    result = {symbol.value, symbol.integer, symbol.floating};
  }
  return result;
}

Argument GraphParser::argument(dom::element element, bool defines) {
  const dom::object object = element.get_object();
  if (object.size() != 1) damaged(fmt::format("{} has an argument that is not a union of one", m_where));
  const dom::key_value_pair pair = *object.begin();
  Argument result;
  result.kind = kind_of(pair.key);
  const dom::element value = pair.value;
  switch (result.kind) {
  case ArgumentKind::none:
    break;
  case ArgumentKind::tensor:
    named(result, value["name"], defines);
    break;
  case ArgumentKind::optional_tensor: {
    dom::element tensor;
    if (value["as_tensor"].get(tensor) == simdjson::SUCCESS) named(result, tensor["name"], defines);
    break;
  }
  case ArgumentKind::integer:
  case ArgumentKind::scalar_type:
  case ArgumentKind::layout:
  case ArgumentKind::memory_format:
    result.integer = value.get_int64();
    break;
  case ArgumentKind::boolean:
    result.integer = value.get_bool() ? 1 : 0;
    break;
  case ArgumentKind::floating:
    result.floating = number_of(value);
    break;
  case ArgumentKind::complex_number:
    result.floating = number_of(value["real"]);
    result.imaginary = number_of(value["imag"]);
    break;
  case ArgumentKind::string:
  case ArgumentKind::op:
    result.text = text_of(value);
    break;
  case ArgumentKind::custom_obj:
    result.text = text_of(value["class_fqn"]);
    break;
  case ArgumentKind::device:
    result.text = text_of(value["type"]);
    break;
  case ArgumentKind::strings:
    for (const dom::element item : value.get_array())
      result.strings.push_back(text_of(item));
    break;
  case ArgumentKind::sym_int:
  case ArgumentKind::sym_float:
  case ArgumentKind::sym_bool:
    symbolic(result, value, defines);
    break;
  case ArgumentKind::graph:
    result.graph = std::make_shared<Graph>(GraphParser().parse(value["graph"]));
    result.text = text_of(value["name"]);
    break;
  case ArgumentKind::nested_tensors:
  case ArgumentKind::int_lists:
  case ArgumentKind::float_lists:
  case ArgumentKind::string_to_argument:
    break; // known, and refused when an operator takes it
  default:
    for (const dom::element item : value.get_array())
      result.elements.push_back(list_element(result.kind, item, defines));
  }
  return result;
}

Node GraphParser::node(dom::element element) {
  Node node;
  node.target = text_of(element["target"]);
  dom::element part;
  if (element["name"].get(part) == simdjson::SUCCESS && part.is_string()) node.name = text_of(part);
  m_where = fmt::format("node `{}` ({})", printable(node.name, 80), printable(node.target, 80));
  if (element["metadata"]["stack_trace"].get(part) == simdjson::SUCCESS && part.is_string())
    node.source = innermost_source(part);
  for (const dom::element input : element["inputs"].get_array())
    node.inputs.push_back({text_of(input["name"]), argument(input["arg"], false)});
  for (const dom::element output : element["outputs"].get_array())
    node.outputs.push_back(argument(output, true));
  return node;
}

void GraphParser::read_meta(const Argument& argument, dom::element metas) {
  if (argument.kind != ArgumentKind::tensor || argument.value == k_no_value) return;
  dom::element meta;
  if (metas[m_graph.value_names[static_cast<std::size_t>(argument.value)]].get(meta) == simdjson::SUCCESS)
    m_graph.metas.emplace(argument.value, parse_meta(meta));
}

Graph GraphParser::parse(dom::element element) {
  const dom::element metas = element["tensor_values"];
  for (const dom::element input : element["inputs"].get_array()) {
    m_graph.inputs.push_back(argument(input, true));
    read_meta(m_graph.inputs.back(), metas);
  }
  const dom::array nodes = element["nodes"];
  if (nodes.size() >= k_max_graph_nodes) damaged("too many nodes"); // simdjson's count saturates far above
  for (const dom::element item : nodes)
    m_graph.nodes.push_back(node(item));
  m_where = "the graph's output";
  for (const dom::element output : element["outputs"].get_array()) {
    m_graph.outputs.push_back(argument(output, false));
    read_meta(m_graph.outputs.back(), metas);
  }
  return std::move(m_graph);
}

} // namespace

std::vector<std::string_view> argument_kind_keys() {
  std::vector<std::string_view> keys;
  for (const auto& [key, kind] : k_kinds)
    keys.push_back(key);
  return keys;
}

void refuse(ErrorCode code, std::string message) {
  throw Refused{fail(code, std::move(message)).value()};
}
void damaged(std::string message) {
  refuse(ErrorCode::load_failed, "the program is damaged: " + std::move(message));
}

std::string text_of(dom::element element) {
  return std::string(std::string_view(element));
}

TensorMeta parse_meta(dom::element element) {
  TensorMeta meta;
  meta.dtype = element["dtype"].get_int64();
  meta.layout = element["layout"].get_int64();
  meta.sizes = extents_of(element["sizes"]);
  meta.strides = extents_of(element["strides"]);
  meta.storage_offset = extent_of(element["storage_offset"]);
  bool requires_grad = false; // absent or no boolean: false
  meta.requires_grad = element["requires_grad"].get(requires_grad) == simdjson::SUCCESS && requires_grad;
  return meta;
}

Graph parse_graph(dom::element element) {
  return GraphParser().parse(element);
}

} // namespace mrun::torch_engine
