// How a transfer is told: bytes, rate, time left.
#include <doctest/doctest.h>

#include "cli/remote/transfer_line.h"

using namespace mrun;
using namespace mrun::cli;

namespace {

constexpr std::uint64_t k_mib_bytes = 1024 * 1024;
constexpr std::int64_t k_second_ns = 1'000'000'000;

TransferProgress at(std::uint64_t done_mib, std::uint64_t total_mib) {
  return {.done_bytes = done_mib * k_mib_bytes, .total_bytes = total_mib * k_mib_bytes};
}

} // namespace

TEST_CASE("a transfer's text has its bytes, then the rate, then what is left") {
  CHECK(transfer_text(at(12, 87), 0) == "12.0 MiB of 87.0 MiB");
  CHECK(transfer_text(at(12, 87), 25.0 * k_mib_bytes) == "12.0 MiB of 87.0 MiB, 25.0 MiB/s, 3.0 s left");
  CHECK(transfer_text(at(87, 87), 25.0 * k_mib_bytes) == "87.0 MiB of 87.0 MiB");
  // An unknown end: no time left is made up. More than was announced is no negative time.
  CHECK(transfer_text(at(12, 0), 25.0 * k_mib_bytes) == "12.0 MiB, 25.0 MiB/s");
  CHECK(transfer_text(at(90, 87), 25.0 * k_mib_bytes) == "90.0 MiB of 87.0 MiB");
  TransferProgress broken = at(12, 87);
  broken.in_trouble = true;
  CHECK(transfer_text(broken, 0) == "12.0 MiB of 87.0 MiB, trying again");
}

TEST_CASE("a bar shows the share where a line has room, and nothing without an end") {
  CHECK(transfer_bar(at(0, 80), 120) == "[--------------------] ");
  CHECK(transfer_bar(at(20, 80), 120) == "[#####---------------] ");
  CHECK(transfer_bar(at(79, 80), 120) == "[###################-] ");
  CHECK(transfer_bar(at(80, 80), 120) == "[####################] ");
  CHECK(transfer_bar(at(90, 80), 120) == "[####################] ");
  CHECK(transfer_bar(at(20, 80), 80) == "[###-----------] ");
  CHECK(transfer_bar(at(20, 80), 40).empty());
  CHECK(transfer_bar(at(20, 0), 120).empty());
}

TEST_CASE("the rate is of what moves, smoothed, and says nothing before there is something to say") {
  TransferRate rate(0);
  CHECK(rate.bytes_per_second() == 0);
  rate.take(k_second_ns / 10, 50 * k_mib_bytes); // too early for a rate
  CHECK(rate.bytes_per_second() == 0);
  rate.take(k_second_ns, 10 * k_mib_bytes);
  CHECK(rate.bytes_per_second() == doctest::Approx(10.0 * k_mib_bytes));
  rate.take(2 * k_second_ns, 40 * k_mib_bytes); // 30 MiB in this second: 10 + 0.3 * 20
  CHECK(rate.bytes_per_second() == doctest::Approx(16.0 * k_mib_bytes));
  for (std::int64_t second = 3; second < 40; ++second) // steady
    rate.take(second * k_second_ns, static_cast<std::uint64_t>(40 + (second - 2) * 5) * k_mib_bytes);
  CHECK(rate.bytes_per_second() == doctest::Approx(5.0 * k_mib_bytes).epsilon(0.001));
  for (std::int64_t second = 40; second < 140; ++second) // stalled
    rate.take(second * k_second_ns, static_cast<std::uint64_t>(40 + 37 * 5) * k_mib_bytes);
  CHECK(rate.bytes_per_second() < 1);
}
