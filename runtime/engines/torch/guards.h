// What torch.export assumed of a program's inputs and wrote down as `guards_code`: Python expressions over
// sizes and numbers, such as `(L['x'].size()[1] % 2) == 0`. Python checks them before each run; a program
// that runs without gives wrong numbers instead of an error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace mrun::torch_engine {

using GuardNumber = std::variant<std::int64_t, double>; // a bool is 0 or 1
double real_of(const GuardNumber& number);

// The size of an axis of the tensor input at `path` ("x", "opts.p"), or the number input there when there is
// no axis. nullopt: there is no such input.
using GuardLookup =
    std::function<std::optional<GuardNumber>(const std::string& path, std::optional<std::int64_t> axis)>;

class Guard {
 public:
  // Numbers, True, False, inputs, sizes, + - * // % and unary minus, comparisons (chained too), and, or, not.
  // nullopt for anything else: such a guard is not checked.
  static std::optional<Guard> parse(std::string_view text);

  // nullopt: it can't be told (an unknown input, an overflow, a division by zero).
  std::optional<bool> holds(const GuardLookup& lookup) const;
  const std::string& text() const { return m_text; }

  struct Node;

 private:
  std::string m_text;
  std::shared_ptr<const Node> m_root; // shared: a Guard stays copyable
};

} // namespace mrun::torch_engine
