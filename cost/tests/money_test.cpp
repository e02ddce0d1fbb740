#include <doctest/doctest.h>

#include <limits>

#include "cost/money.h"

using namespace mrun;

namespace {

std::int64_t pico(std::string_view text) {
  const Result<Money> money = Money::parse(text, ErrorCode::config_invalid);
  REQUIRE_MESSAGE(money, std::string(text));
  return money->pico();
}

bool refused(std::string_view text) {
  const Result<Money> money = Money::parse(text, ErrorCode::config_invalid);
  return !money && money.error().code == ErrorCode::config_invalid;
}

} // namespace

TEST_CASE("amounts are read exactly") {
  CHECK(pico("0") == 0);
  CHECK(pico("0.0001") == 100'000'000);
  CHECK(pico("0.1") == 100'000'000'000);
  CHECK(pico("1e-7") == 100'000);
  CHECK(pico("2.5E+2") == 250'000'000'000'000);
  CHECK(pico("0.000000000001") == 1);
  CHECK(pico("1.50000000000000000000") == 1'500'000'000'000);
  CHECK(pico("9223372.036854775807") == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("what is no exact amount is refused") {
  for (const char* text : {"",
                           ".",
                           "-1",
                           "+1",
                           " 1",
                           "1 ",
                           "1.",
                           ".5",
                           "0x1",
                           "1e",
                           "1e+",
                           "1e1.5",
                           "1,5",
                           "1.2.3",
                           "nan",
                           "inf",
                           "1e99999999999",
                           "0.1e-2147483648",
                           "1e2147483647",
                           "0.0000000000001",
                           "9223372.036854775808",
                           "99999999999999",
                           "1e30",
                           "11111111111111111111111111111111111111111"})
    CHECK_MESSAGE(refused(text), text);
}

TEST_CASE("amounts are written as the shortest exact decimal") {
  CHECK(Money::from_pico(0).text() == "0");
  CHECK(Money::from_pico(100'000'000).text() == "0.0001");
  CHECK(Money::from_pico(12'500'000'000'000).text() == "12.5");
  CHECK(Money::from_pico(-1).text() == "-0.000000000001");
  CHECK(Money::from_pico(std::numeric_limits<std::int64_t>::min()).text() == "-9223372.036854775808");
  for (const char* text : {"0.000225", "5.49", "3", "0.000000000007"})
    CHECK(Money::from_pico(pico(text)).text() == text);
}

TEST_CASE("sums and products are exact or an error, never wrapped") {
  const Money most = Money::from_pico(std::numeric_limits<std::int64_t>::max());
  CHECK_FALSE(most.plus(Money::from_pico(1)));
  CHECK(most.plus(Money::from_pico(0))->pico() == most.pico());
  CHECK_FALSE(most.times(2, 1));
  CHECK(most.times(5, 5)->pico() == most.pico());
  // 0.36 an hour for 23.5 ms
  CHECK(Money::from_pico(pico("0.36")).times(23'500'000, 3'600'000'000'000)->text() == "0.00000235");
  // halves to even
  CHECK(Money::from_pico(1).times(1, 2)->pico() == 0);
  CHECK(Money::from_pico(3).times(1, 2)->pico() == 2);
  CHECK(Money::from_pico(5).times(1, 2)->pico() == 2);
  CHECK(Money::from_pico(7).times(1, 4)->pico() == 2);
  // A tenth a thousand times is a hundred, which no double gives.
  Money sum;
  for (int i = 0; i < 1000; ++i)
    sum = *sum.plus(Money::from_pico(pico("0.1")));
  CHECK(sum.text() == "100");
}
