#include <doctest/doctest.h>

#include "cost/money_sum.h"
#include "cost/worker_charge.h"

using namespace mrun;

namespace {

constexpr std::int64_t k_second = 1'000'000'000;

OwnRate own_rate() {
  OwnRate rate;
  rate.rate = *Money::parse("3.6", ErrorCode::internal);
  rate.per = "instance_h";
  rate.currency = "EUR";
  return rate;
}

PriceRow row(std::map<std::string, bool> states) {
  PriceRow made;
  made.provider = "acme";
  made.sku = "box";
  made.rate = *Money::parse("0.002", ErrorCode::internal);
  made.per = "instance_s";
  made.states = std::move(states);
  made.granularity_ns = k_second;
  made.dims = {{"product", "deployment"}};
  return made;
}

std::string amount(const Charge& charge) {
  return charge.amount ? charge.amount->text() : "unknown";
}

} // namespace

TEST_CASE("a load costs the rate, idle time the idle rate, and without one it is unknown") {
  OwnRate rate = own_rate();
  CHECK(amount(own_worker_charge(rate, WorkerTime::setup, 2 * k_second, true)) == "0.002");
  const Charge unknown = own_worker_charge(rate, WorkerTime::idle, 2 * k_second, true);
  CHECK(amount(unknown) == "unknown");
  CHECK(unknown.reason.find("no idle rate is set") != std::string::npos);
  rate.idle_rate = *Money::parse("0.36", ErrorCode::internal);
  const Charge idle = own_worker_charge(rate, WorkerTime::idle, 2 * k_second, true);
  CHECK(amount(idle) == "0.0002");
  CHECK(idle.rate.text() == "0.36");
  CHECK(idle.formula == "idle rate x idle time");
  CHECK(own_worker_charge(rate, WorkerTime::setup, 1, false).formula == k_shared_formula);
  rate.idle_rate = Money(); // the user says that waiting is free
  CHECK(amount(own_worker_charge(rate, WorkerTime::idle, 2 * k_second, true)) == "0");
  for (const WorkerTime what : {WorkerTime::setup, WorkerTime::idle}) {
    CHECK(amount(own_worker_charge(std::nullopt, what, 1, true)) == "unknown");
    CHECK(own_worker_charge(std::nullopt, what, 1, true).reason.find("no rate is set") == 0);
  }
}

TEST_CASE("a vendor's product bills setup and idle as its states say") {
  const PriceRow free = row({{"setup", false}, {"idle", false}, {"active", true}});
  CHECK(amount(reference_worker_charge(&free, WorkerTime::setup, k_second)) == "0");
  CHECK(amount(reference_worker_charge(&free, WorkerTime::idle, k_second)) == "0");
  const PriceRow both = row({{"setup", true}, {"idle", true}, {"active", true}});
  CHECK(amount(reference_worker_charge(&both, WorkerTime::setup, k_second + 1)) == "0.004");
  CHECK(amount(reference_worker_charge(&both, WorkerTime::idle, k_second)) == "0.002");
  CHECK(reference_worker_charge(&both, WorkerTime::idle, k_second).product == "deployment");
  const PriceRow silent = row({{"active", true}});
  for (const WorkerTime what : {WorkerTime::setup, WorkerTime::idle}) {
    const Charge charge = reference_worker_charge(&silent, what, k_second);
    CHECK(amount(charge) == "unknown");
    CHECK(charge.reason.find(what == WorkerTime::idle ? "`idle`" : "`setup`") != std::string::npos);
    CHECK(charge.provider == "acme");
    CHECK(amount(reference_worker_charge(nullptr, what, k_second)) == "unknown");
  }
}

TEST_CASE("lines of a product that bills idle time are exact, so that no second is rounded twice") {
  CHECK_FALSE(row_for_lines(row({{"idle", true}})).granularity_ns);
  CHECK(row_for_lines(row({{"idle", false}})).granularity_ns == k_second);
  CHECK(row_for_lines(row({})).granularity_ns == k_second);
}

TEST_CASE("sums are exact beyond the range of one amount") {
  MoneySum sum;
  CHECK(sum.is_zero());
  CHECK(sum.text() == "0");
  for (int i = 0; i < 3; ++i)
    sum.add(Money::from_pico(9'000'000'500'000'000'000)); // 9,000,000.5
  CHECK(sum.text() == "27000001.5");
  MoneySum more;
  more.add(Money::from_pico(1));
  more.add(sum);
  CHECK(more.text() == "27000001.500000000001");
  CHECK_FALSE(more.is_zero());
}
