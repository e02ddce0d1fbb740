#include "runtime/engines/torch/guards.h"
#include "runtime/engines/torch/python_numbers.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

namespace mrun::torch_engine {
namespace {

constexpr std::size_t k_max_text_bytes = 16 * 1024;
constexpr int k_max_depth = 200;

enum class Op : std::uint8_t {
  number,
  input, // a number input, or an axis of a tensor input
  negate,
  add,
  subtract,
  multiply,
  floor_divide,
  modulo,
  compare, // a chain: operands with the operators between them
  logical_and,
  logical_or,
  logical_not
};

enum class Relation : std::uint8_t { equal, not_equal, less, less_equal, greater, greater_equal };

} // namespace

struct Guard::Node {
  Op op = Op::number;
  GuardNumber number = std::int64_t{0};
  std::string path;
  std::optional<std::int64_t> axis;
  std::vector<Relation> relations;
  std::vector<std::shared_ptr<const Node>> operands;
};

namespace {

using NodePtr = std::shared_ptr<const Guard::Node>;

NodePtr make(Op op, std::vector<NodePtr> operands) {
  auto node = std::make_shared<Guard::Node>();
  node->op = op;
  node->operands = std::move(operands);
  return node;
}

// Recursive descent in Python's order of precedence; nullptr anywhere ends it.
class Parser {
 public:
  explicit Parser(std::string_view text) : m_rest(text) {}

  NodePtr whole() {
    NodePtr node = disjunction();
    skip_space();
    return m_rest.empty() ? node : nullptr;
  }

 private:
  void skip_space() {
    while (!m_rest.empty() && (m_rest.front() == ' ' || m_rest.front() == '\t'))
      m_rest.remove_prefix(1);
  }
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }
  bool take(std::string_view symbol) {
    skip_space();
    if (!m_rest.starts_with(symbol)) return false;
    const bool word = is_word(symbol.front());
    if (word && m_rest.size() > symbol.size() && is_word(m_rest[symbol.size()])) return false;
    m_rest.remove_prefix(symbol.size());
    return true;
  }

  template<class Next>
  NodePtr joined(Op op, std::string_view word, Next next) {
    NodePtr first = next();
    std::vector<NodePtr> operands{first};
    while (first && take(word)) {
      operands.push_back(next());
      if (!operands.back()) return nullptr;
    }
    return operands.size() == 1 ? first : make(op, std::move(operands));
  }
  NodePtr disjunction() {
    if (++m_depth > k_max_depth) return nullptr;
    NodePtr node = joined(Op::logical_or, "or",
                          [this] { return joined(Op::logical_and, "and", [this] { return negation(); }); });
    --m_depth;
    return node;
  }
  NodePtr negation() {
    if (++m_depth > k_max_depth) return nullptr;
    NodePtr node = take("not") ? unary(Op::logical_not, negation()) : comparison();
    --m_depth;
    return node;
  }
  static NodePtr unary(Op op, NodePtr operand) { return operand ? make(op, {std::move(operand)}) : nullptr; }

  std::optional<Relation> relation() {
    static constexpr std::array<std::pair<std::string_view, Relation>, 6> k_relations = {
        {{"==", Relation::equal},
         {"!=", Relation::not_equal},
         {"<=", Relation::less_equal},
         {">=", Relation::greater_equal},
         {"<", Relation::less},
         {">", Relation::greater}}};
    for (const auto& [symbol, relation] : k_relations)
      if (take(symbol)) return relation;
    return std::nullopt;
  }
  NodePtr comparison() {
    NodePtr first = sum();
    auto chain = std::make_shared<Guard::Node>();
    chain->op = Op::compare;
    chain->operands.push_back(first);
    while (first) {
      const auto next = relation();
      if (!next) break;
      chain->relations.push_back(*next);
      chain->operands.push_back(sum());
      if (!chain->operands.back()) return nullptr;
    }
    return chain->relations.empty() ? first : chain;
  }
  NodePtr sum() {
    NodePtr left = product();
    while (left) {
      const bool plus = take("+");
      if (!plus && !take("-")) break;
      left = binary(plus ? Op::add : Op::subtract, std::move(left), product());
    }
    return left;
  }
  NodePtr product() {
    NodePtr left = factor();
    while (left) {
      skip_space();
      if (m_rest.starts_with("**")) return nullptr;
      const Op op = take("//")  ? Op::floor_divide
                    : take("*") ? Op::multiply
                    : take("%") ? Op::modulo
                                : Op::number;
      if (op == Op::number) break;
      left = binary(op, std::move(left), factor());
    }
    return left;
  }
  static NodePtr binary(Op op, NodePtr left, NodePtr right) {
    return right ? make(op, {std::move(left), std::move(right)}) : nullptr;
  }
  NodePtr factor() {
    if (++m_depth > k_max_depth) return nullptr;
    NodePtr node = take("-") ? unary(Op::negate, factor()) : take("+") ? factor() : primary();
    --m_depth;
    return node;
  }
  NodePtr primary() {
    if (take("(")) {
      NodePtr inner = disjunction();
      return inner && take(")") ? inner : nullptr;
    }
    if (take("True")) return number(std::int64_t{1});
    if (take("False")) return number(std::int64_t{0});
    if (take("L")) return input();
    return literal();
  }
  static NodePtr number(GuardNumber value) {
    auto node = std::make_shared<Guard::Node>();
    node->number = value;
    return node;
  }
  NodePtr literal() {
    skip_space();
    std::int64_t integer = 0;
    const char* begin = m_rest.data();
    const char* end = begin + m_rest.size();
    const auto [after, failed] = std::from_chars(begin, end, integer);
    if (failed == std::errc() && (after == end || (*after != '.' && *after != 'e' && !is_word(*after)))) {
      m_rest.remove_prefix(static_cast<std::size_t>(after - begin));
      return number(integer);
    }
    double real = 0;
    const auto [real_after, real_failed] = std::from_chars(begin, end, real);
    if (real_failed != std::errc() || begin == end || *begin < '0' || *begin > '9') return nullptr;
    m_rest.remove_prefix(static_cast<std::size_t>(real_after - begin));
    return number(real);
  }
  // ['x'], ["x"] or [3]; the text between the brackets without quotes.
  std::optional<std::string> subscript() {
    if (!take("[")) return std::nullopt;
    const std::size_t close = m_rest.find(']');
    if (close == std::string_view::npos || close == 0) return std::nullopt;
    std::string_view inside = m_rest.substr(0, close);
    m_rest.remove_prefix(close + 1);
    const bool quoted = inside.size() >= 2 && (inside.front() == '\'' || inside.front() == '"') &&
                        inside.back() == inside.front();
    return std::string(quoted ? inside.substr(1, inside.size() - 2) : inside);
  }
  NodePtr input() {
    auto node = std::make_shared<Guard::Node>();
    node->op = Op::input;
    while (true) {
      skip_space();
      if (take(".size()") || take(".shape")) {
        const auto axis = subscript();
        if (!axis) return nullptr;
        std::int64_t at = 0;
        const auto [end, failed] = std::from_chars(axis->data(), axis->data() + axis->size(), at);
        if (failed != std::errc() || end != axis->data() + axis->size() || node->path.empty()) return nullptr;
        node->axis = at;
        return node;
      }
      std::optional<std::string> part;
      if (m_rest.starts_with('[')) {
        part = subscript();
        if (!part) return nullptr;
      } else {
        return m_rest.starts_with('.') || node->path.empty() ? nullptr : node;
      }
      node->path.append(node->path.empty() ? "" : ".").append(*part);
    }
  }

  std::string_view m_rest;
  int m_depth = 0;
};

// ---- evaluation
// ------------------------------------------------------------------------------------------------

using Value = std::optional<GuardNumber>;

bool truth_of(const GuardNumber& number) {
  return std::visit([](auto value) { return value != 0; }, number);
}

Value arithmetic(Op op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  switch (op) {
  case Op::add:
    overflow = __builtin_add_overflow(a, b, &result);
    break;
  case Op::subtract:
    overflow = __builtin_sub_overflow(a, b, &result);
    break;
  case Op::multiply:
    overflow = __builtin_mul_overflow(a, b, &result);
    break;
  default: { // towards minus infinity, as Python does
    if (b == 0 || b == -1) return b == -1 && op == Op::modulo ? Value(std::int64_t{0}) : std::nullopt;
    const std::int64_t rest = a % b;
    const bool down = rest != 0 && ((rest < 0) != (b < 0));
    result = op == Op::modulo ? rest + (down ? b : 0) : a / b - (down ? 1 : 0);
    break;
  }
  }
  return overflow ? Value() : Value(result);
}

Value arithmetic(Op op, double a, double b) {
  switch (op) {
  case Op::add:
    return a + b;
  case Op::subtract:
    return a - b;
  case Op::multiply:
    return a * b;
  default:
    if (b == 0) return std::nullopt;
    return op == Op::floor_divide ? float_divmod(a, b).first : float_divmod(a, b).second;
  }
}

bool related(Relation relation, const GuardNumber& a, const GuardNumber& b) {
  const auto compare = [relation](auto x, auto y) {
    switch (relation) {
    case Relation::equal:
      return x == y;
    case Relation::not_equal:
      return x != y;
    case Relation::less:
      return x < y;
    case Relation::less_equal:
      return x <= y;
    case Relation::greater:
      return x > y;
    case Relation::greater_equal:
      return x >= y;
    }
    return false;
  };
  const auto* x = std::get_if<std::int64_t>(&a);
  const auto* y = std::get_if<std::int64_t>(&b);
  return x != nullptr && y != nullptr ? compare(*x, *y) : compare(real_of(a), real_of(b));
}

Value evaluate(const Guard::Node& node, const GuardLookup& lookup);

Value evaluate_chain(const Guard::Node& node, const GuardLookup& lookup) {
  Value left = evaluate(*node.operands[0], lookup);
  for (std::size_t i = 0; i < node.relations.size(); ++i) {
    const Value right = evaluate(*node.operands[i + 1], lookup);
    if (!left || !right) return std::nullopt;
    if (!related(node.relations[i], *left, *right)) return std::int64_t{0};
    left = right;
  }
  return std::int64_t{1};
}

Value evaluate_logical(const Guard::Node& node, const GuardLookup& lookup) {
  const bool stops_at = node.op == Op::logical_or;
  for (const NodePtr& operand : node.operands) {
    const Value value = evaluate(*operand, lookup);
    if (!value) return std::nullopt;
    if (truth_of(*value) == stops_at) return std::int64_t{stops_at};
  }
  return std::int64_t{!stops_at};
}

Value evaluate(const Guard::Node& node, const GuardLookup& lookup) {
  switch (node.op) {
  case Op::number:
    return node.number;
  case Op::input:
    return lookup(node.path, node.axis);
  case Op::compare:
    return evaluate_chain(node, lookup);
  case Op::logical_and:
  case Op::logical_or:
    return evaluate_logical(node, lookup);
  default:
    break;
  }
  const Value a = evaluate(*node.operands[0], lookup);
  if (!a) return std::nullopt;
  if (node.op == Op::logical_not) return std::int64_t{!truth_of(*a)};
  const Value b = node.op == Op::negate ? a : evaluate(*node.operands[1], lookup);
  if (!b) return std::nullopt;
  const auto* x = std::get_if<std::int64_t>(&*a);
  const auto* y = std::get_if<std::int64_t>(&*b);
  if (node.op == Op::negate)
    return x != nullptr ? arithmetic(Op::subtract, std::int64_t{0}, *x) : Value(-std::get<double>(*a));
  return x != nullptr && y != nullptr ? arithmetic(node.op, *x, *y)
                                      : arithmetic(node.op, real_of(*a), real_of(*b));
}

} // namespace

double real_of(const GuardNumber& number) {
  return std::visit([](auto value) { return static_cast<double>(value); }, number);
}

std::optional<Guard> Guard::parse(std::string_view text) {
  if (text.size() > k_max_text_bytes) return std::nullopt;
  Guard guard;
  guard.m_root = Parser(text).whole();
  if (!guard.m_root) return std::nullopt;
  guard.m_text = text;
  return guard;
}

std::optional<bool> Guard::holds(const GuardLookup& lookup) const {
  const Value value = evaluate(*m_root, lookup);
  return value ? std::optional(truth_of(*value)) : std::nullopt;
}

} // namespace mrun::torch_engine
