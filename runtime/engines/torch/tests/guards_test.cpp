// The conditions that torch.export records, read and evaluated as Python does.
#include <doctest/doctest.h>

#include "runtime/engines/torch/guards.h"

namespace mrun::torch_engine {
namespace {

// x is a tensor of [3, 8], opts.n is 5, opts.r is 0.5.
std::optional<GuardNumber> lookup(const std::string& path, std::optional<std::int64_t> axis) {
  if (path == "x" && axis == 0) return std::int64_t{3};
  if (path == "x" && axis == 1) return std::int64_t{8};
  if (path == "opts.n" && !axis) return std::int64_t{5};
  if (path == "opts.r" && !axis) return 0.5;
  return std::nullopt;
}

std::optional<bool> holds(const std::string& text) {
  const auto guard = Guard::parse(text);
  REQUIRE_MESSAGE(guard.has_value(), text);
  return guard->holds(lookup);
}

} // namespace

TEST_CASE("guards hold or not, as in Python") {
  for (const char* text :
       {"(L['x'].size()[1] % 2) == 0", "L['x'].size()[0] != L['x'].size()[1]",
        "2 <= L['x'].size()[0] <= 3 < 4", "L['opts']['n'] >= 0 and L['opts']['n'] <= L['x'].size()[1]",
        "not (L['x'].size()[0] > 3)", "(2 + 2*(((-1) + L['x'].size()[1]) // 2)) == L['x'].size()[1]",
        "-7 // 2 == -4", "-7 % 3 == 2", "7 % -3 == -2", "L['opts']['r'] < 1", "L['opts']['r'] == 0.5",
        "1 + 2*3 == 7", "True", "False or True", "-(-3) == 3", "L[\"x\"].shape[1] == 8",
        "not False and not False"})
    CHECK_MESSAGE(holds(text) == true, text);
  for (const char* text : {"(L['x'].size()[1] % 2) == 1", "L['x'].size()[0] == L['x'].size()[1]", "3 < 3",
                           "1 < 2 < 2", "False", "True and False", "not True", "L['opts']['n'] == 0"})
    CHECK_MESSAGE(holds(text) == false, text);
}

TEST_CASE("what can't be told holds nobody up") {
  for (const char* text : {"L['y'].size()[0] == 1", "1 // 0 == 1", "1 % 0 == 1", "L['x'].size()[7] == 1",
                           "9223372036854775807 + 1 > 0", "L['opts']['n'] == 5 and L['y'] == 1"})
    CHECK_MESSAGE(!holds(text).has_value(), text);
}

TEST_CASE("what is not read is said so") {
  for (const char* text : {"",
                           "(",
                           "1 +",
                           "L",
                           "L[",
                           "L['x'",
                           "L['x'].size()",
                           "L['x'].dim() == 2",
                           "math.trunc(3) == 3",
                           "torch.sym_max(1, 2) == 2",
                           "L['x'].size()[a] == 1",
                           "1 == 2 3",
                           "x == 1",
                           "2**3 == 8",
                           "lambda: 0",
                           "1 if True else 2",
                           "andy",
                           "L.x == 1",
                           "1e",
                           "'a' == 'a'"})
    CHECK_MESSAGE(!Guard::parse(text).has_value(), text);
  CHECK_FALSE(Guard::parse(std::string(100'000, '(')).has_value());
  CHECK_FALSE(Guard::parse(std::string(5'000, '-') + "1").has_value());
  CHECK_FALSE(Guard::parse(std::string(20'000, '1')).has_value());
}

} // namespace mrun::torch_engine
