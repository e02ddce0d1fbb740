#include "runtime/engines/torch/sym_ops.h"

#include <array>
#include <cmath>
#include <limits>

#include "runtime/engines/torch/graph_functions.h"
#include "runtime/engines/torch/python_numbers.h"

namespace mrun::torch_engine {
namespace {

using c10::IValue;
using Arguments = std::span<const IValue>;
using Outcome = Result<IValue>;

Outcome bad(std::string what) {
  return fail(ErrorCode::prediction_failed, "a size can't be computed: " + std::move(what));
}
Outcome overflow() {
  return bad("it does not fit into 64 bits");
}

bool is_number(const IValue& value) {
  return value.isInt() || value.isDouble() || value.isBool();
}
bool is_integer(const IValue& value) {
  return value.isInt() || value.isBool();
}
std::int64_t integer(const IValue& value) {
  return value.isBool() ? static_cast<std::int64_t>(value.toBool()) : value.toInt();
}
double floating(const IValue& value) {
  return value.isDouble() ? value.toDouble() : static_cast<double>(integer(value));
}
bool truth(const IValue& value) {
  return value.isDouble() ? value.toDouble() != 0 : integer(value) != 0;
}

// Calls `on_integers` when both are integers, else `on_floats`.
template<class Integers, class Floats>
Outcome binary(Arguments a, Integers on_integers, Floats on_floats) {
  if (a.size() != 2 || !is_number(a[0]) || !is_number(a[1])) return bad("two numbers are needed");
  if (is_integer(a[0]) && is_integer(a[1])) return on_integers(integer(a[0]), integer(a[1]));
  return on_floats(floating(a[0]), floating(a[1]));
}

template<class Integers, class Floats>
Outcome unary(Arguments a, Integers on_integer, Floats on_float) {
  if (a.size() != 1 || !is_number(a[0])) return bad("one number is needed");
  if (is_integer(a[0])) return on_integer(integer(a[0]));
  return on_float(a[0].toDouble());
}

Outcome to_integer(double value) {
  constexpr double k_limit = 9223372036854775808.0; // 2^63
  if (!(value >= -k_limit && value < k_limit)) return overflow();
  return IValue(static_cast<std::int64_t>(value));
}

Outcome add(Arguments a) {
  return binary(
      a,
      [](std::int64_t x, std::int64_t y) -> Outcome {
        std::int64_t sum = 0;
        return __builtin_add_overflow(x, y, &sum) ? overflow() : Outcome(IValue(sum));
      },
      [](double x, double y) -> Outcome { return IValue(x + y); });
}

Outcome subtract(Arguments a) {
  return binary(
      a,
      [](std::int64_t x, std::int64_t y) -> Outcome {
        std::int64_t difference = 0;
        return __builtin_sub_overflow(x, y, &difference) ? overflow() : Outcome(IValue(difference));
      },
      [](double x, double y) -> Outcome { return IValue(x - y); });
}

Outcome multiply(Arguments a) {
  return binary(
      a,
      [](std::int64_t x, std::int64_t y) -> Outcome {
        std::int64_t product = 0;
        return __builtin_mul_overflow(x, y, &product) ? overflow() : Outcome(IValue(product));
      },
      [](double x, double y) -> Outcome { return IValue(x * y); });
}

bool divides(std::int64_t x, std::int64_t y) {
  return y != 0 && !(x == std::numeric_limits<std::int64_t>::min() && y == -1);
}

Outcome floor_divide(Arguments a) {
  return binary(
      a,
      [](std::int64_t x, std::int64_t y) -> Outcome {
        if (!divides(x, y)) return bad("division by zero");
        const std::int64_t quotient = x / y;
        return IValue(x % y != 0 && (x < 0) != (y < 0) ? quotient - 1 : quotient);
      },
      [](double x, double y) -> Outcome {
        return y == 0 ? bad("division by zero") : Outcome(IValue(float_divmod(x, y).first));
      });
}

Outcome modulo(Arguments a) {
  return binary(
      a,
      [](std::int64_t x, std::int64_t y) -> Outcome {
        if (!divides(x, y)) return bad("division by zero");
        const std::int64_t rest = x % y;
        return IValue(rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest);
      },
      [](double x, double y) -> Outcome {
        return y == 0 ? bad("division by zero") : Outcome(IValue(float_divmod(x, y).second));
      });
}

Outcome true_divide(Arguments a) {
  const auto divide = [](auto x, auto y) -> Outcome {
    if (y == 0) return bad("division by zero");
    return IValue(static_cast<double>(x) / static_cast<double>(y));
  };
  return binary(a, divide, divide);
}

Outcome power(Arguments a) {
  return binary(
      a,
      [](std::int64_t base, std::int64_t exponent) -> Outcome {
        if (exponent < 0) return IValue(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
        std::int64_t result = 1;
        for (; exponent > 0; exponent >>= 1) {
          if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return overflow();
          if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return overflow();
        }
        return IValue(result);
      },
      [](double x, double y) -> Outcome { return IValue(std::pow(x, y)); });
}

template<class Compare>
Outcome compare(Arguments a, Compare compare_two) {
  const auto both = [&](auto x, auto y) -> Outcome { return IValue(bool(compare_two(x, y))); };
  return binary(a, both, both);
}

Outcome equal(Arguments a) {
  return compare(a, [](auto x, auto y) { return x == y; });
}
Outcome not_equal(Arguments a) {
  return compare(a, [](auto x, auto y) { return x != y; });
}
Outcome less(Arguments a) {
  return compare(a, [](auto x, auto y) { return x < y; });
}
Outcome less_equal(Arguments a) {
  return compare(a, [](auto x, auto y) { return x <= y; });
}
Outcome greater(Arguments a) {
  return compare(a, [](auto x, auto y) { return x > y; });
}
Outcome greater_equal(Arguments a) {
  return compare(a, [](auto x, auto y) { return x >= y; });
}

template<class Combine>
Outcome bitwise(Arguments a, Combine combine) {
  if (a.size() != 2 || !is_integer(a[0]) || !is_integer(a[1])) return bad("two integers are needed");
  const std::int64_t result = combine(integer(a[0]), integer(a[1]));
  return a[0].isBool() && a[1].isBool() ? IValue(result != 0) : IValue(result);
}

Outcome bit_and(Arguments a) {
  return bitwise(a, [](auto x, auto y) { return x & y; });
}
Outcome bit_or(Arguments a) {
  return bitwise(a, [](auto x, auto y) { return x | y; });
}

Outcome shift_left(Arguments a) {
  if (a.size() != 2 || !is_integer(a[0]) || !is_integer(a[1])) return bad("two integers are needed");
  const std::int64_t bits = integer(a[1]);
  if (bits < 0 || bits > 62) return overflow();
  std::int64_t result = 0;
  if (__builtin_mul_overflow(integer(a[0]), std::int64_t{1} << bits, &result)) return overflow();
  return IValue(result);
}

Outcome shift_right(Arguments a) {
  if (a.size() != 2 || !is_integer(a[0]) || !is_integer(a[1])) return bad("two integers are needed");
  const std::int64_t bits = integer(a[1]);
  if (bits < 0) return bad("a negative shift");
  return IValue(integer(a[0]) >> std::min<std::int64_t>(bits, 63));
}

Outcome negate(Arguments a) {
  return unary(
      a,
      [](std::int64_t x) -> Outcome {
        std::int64_t result = 0;
        return __builtin_sub_overflow(std::int64_t{0}, x, &result) ? overflow() : Outcome(IValue(result));
      },
      [](double x) -> Outcome { return IValue(-x); });
}

Outcome keep_integer(std::int64_t x) {
  return IValue(x);
}
Outcome positive(Arguments a) {
  return unary(a, keep_integer, [](double x) -> Outcome { return IValue(x); });
}
Outcome truncate(Arguments a) {
  return unary(a, keep_integer, [](double x) { return to_integer(std::trunc(x)); });
}
Outcome ceiling(Arguments a) {
  return unary(a, keep_integer, [](double x) { return to_integer(std::ceil(x)); });
}
Outcome floor_of(Arguments a) {
  return unary(a, keep_integer, [](double x) { return to_integer(std::floor(x)); });
}
// round(x), an integer, and round(x, digits), of x's own type.
Outcome round_even(Arguments a) {
  if (a.size() == 2 && is_number(a[0]) && is_integer(a[1])) {
    const std::int64_t digits = integer(a[1]);
    if (!is_integer(a[0])) return IValue(float_round(a[0].toDouble(), digits));
    if (digits >= 0) return IValue(integer(a[0]));
    return bad("an integer is rounded to tens");
  }
  return unary(a, keep_integer, [](double x) { return to_integer(std::nearbyint(x)); });
}
Outcome to_floating(Arguments a) {
  return unary(
      a, [](std::int64_t x) -> Outcome { return IValue(static_cast<double>(x)); },
      [](double x) -> Outcome { return IValue(x); });
}
Outcome square_root(Arguments a) {
  const auto root = [](auto x) -> Outcome {
    return x < 0 ? bad("a negative number's root") : Outcome(IValue(std::sqrt(static_cast<double>(x))));
  };
  return unary(a, root, root);
}
Outcome logical_not(Arguments a) {
  if (a.size() != 1 || !is_number(a[0])) return bad("one boolean is needed");
  return IValue(!truth(a[0]));
}

Outcome if_then_else(Arguments a) {
  if (a.size() != 3 || !is_number(a[0])) return bad("a condition and two values are needed");
  return truth(a[0]) ? a[1] : a[2];
}

template<class Better>
Outcome extreme(Arguments a, Better better) {
  if (a.size() != 2 || !is_number(a[0]) || !is_number(a[1])) return bad("two numbers are needed");
  // torch.sym_max and sym_min: a float when either is one.
  if (is_integer(a[0]) && is_integer(a[1])) return better(integer(a[0]), integer(a[1])) ? a[0] : a[1];
  const double x = floating(a[0]);
  const double y = floating(a[1]);
  return IValue(better(x, y) ? x : y);
}

Outcome maximum(Arguments a) {
  return extreme(a, [](auto x, auto y) { return x >= y; });
}
Outcome minimum(Arguments a) {
  return extreme(a, [](auto x, auto y) { return x <= y; });
}

Outcome sum(Arguments a) {
  IValue total(std::int64_t{0});
  for (const IValue& value : a) {
    const std::array<IValue, 2> pair = {total, value};
    MRUN_ASSIGN(total, add(pair));
  }
  return total;
}

// In the order of k_sym_names.
constexpr std::array<SymFunction, k_sym_names.size()> k_functions = {
    add,           // _operator.add
    subtract,      // _operator.sub
    multiply,      // _operator.mul
    floor_divide,  // _operator.floordiv
    modulo,        // _operator.mod
    true_divide,   // _operator.truediv
    power,         // _operator.pow
    negate,        // _operator.neg
    positive,      // _operator.pos
    equal,         // _operator.eq
    not_equal,     // _operator.ne
    less,          // _operator.lt
    less_equal,    // _operator.le
    greater,       // _operator.gt
    greater_equal, // _operator.ge
    bit_and,       // _operator.and_
    bit_or,        // _operator.or_
    shift_left,    // _operator.lshift
    shift_right,   // _operator.rshift
    logical_not,   // _operator.not_
    truncate,      // math.trunc
    ceiling,       // math.ceil
    floor_of,      // math.floor
    square_root,   // math.sqrt
    round_even,    // builtins.round
    round_even,    // round
    truncate,      // torch.sym_int
    to_floating,   // torch.sym_float
    square_root,   // torch.sym_sqrt
    square_root,   // torch._sym_sqrt
    logical_not,   // torch.sym_not
    if_then_else,  // torch.sym_ite
    maximum,       // torch.sym_max
    minimum,       // torch.sym_min
    sum,           // torch.sym_sum
};

} // namespace

SymFunction find_sym_function(std::string_view target) {
  const auto* found = std::ranges::find(k_sym_names, target);
  return found == k_sym_names.end() ? nullptr
                                    : k_functions[static_cast<std::size_t>(found - k_sym_names.begin())];
}

} // namespace mrun::torch_engine
