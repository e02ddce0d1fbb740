// Offers, fits, projections: what they are made of, and what they must not claim.
#include <cmath>

#include <doctest/doctest.h>

#include "cost/break_even.h"
#include "cost/device_price.h"
#include "cost/estimate.h"
#include "cost/projection.h"
#include "cost/service_time.h"

using namespace mrun;

namespace {

PriceRow row(std::string sku, std::string per, const char* usd, std::map<std::string, bool> states = {}) {
  PriceRow made;
  made.provider = "p";
  made.sku = std::move(sku);
  made.per = std::move(per);
  made.rate = Money::parse(usd, ErrorCode::price_file).value();
  made.states = std::move(states);
  made.read_on = "2026-11-01";
  return made;
}

CaseWork one_case(const Expected& seconds, const std::map<std::string, Expected>& units) {
  CaseWork made{seconds, {}};
  for (const auto& [name, value] : units)
    set_unit(made.units, name, value);
  return made;
}

Work second_of_work() {
  Work work;
  work.cases.push_back({Expected{1, 2}, {}});
  return work;
}

std::vector<Sample> samples(std::size_t count, double (*value)(double, double)) {
  std::vector<Sample> made;
  for (std::size_t i = 0; i < count; ++i) {
    const double a = static_cast<double>((i * 7) % 11 + 1), b = static_cast<double>((i * 5) % 13 + 1);
    made.push_back({{{"a", a}, {"b", b}}, value(a, b)});
  }
  return made;
}

} // namespace

TEST_CASE("what is not known is unknown, never 0") {
  const PriceRow rental = row("x", "gpu_h", "1"); // no states
  const Amount amount = offer_amount(offers_of({&rental}).front(), second_of_work());
  CHECK_FALSE(amount.typical);
  CHECK_FALSE(amount.worst);
  CHECK(amount.reason.find("which states") != std::string::npos);

  const PriceRow image = row("x", "image", "0.1");
  CHECK(offer_amount(offers_of({&image}).front(), second_of_work()).reason.find("image") !=
        std::string::npos);
  CHECK(own_amount(std::nullopt, second_of_work()).reason.find("mrun cost setup") != std::string::npos);

  const PriceRow deployment = row("x", "gpu_h", "1", {{"active", true}, {"idle", true}, {"setup", true}});
  Work work = second_of_work();
  CHECK(offer_amount(offers_of({&deployment}).front(), work).reason.find("warm") != std::string::npos);
  work.keep_warm_s = Exact(60);
  CHECK(offer_amount(offers_of({&deployment}).front(), work).reason.find("load") != std::string::npos);
  work.setup_s = Expected{10, 20};
  const Amount known = offer_amount(offers_of({&deployment}).front(), work);
  CHECK_FALSE(known.typical); // nobody said how many requests come
  CHECK(*known.worst == Exact(2 + 20 + 60, 3600));
}

TEST_CASE("a row is a deployment because it bills idle time") {
  const PriceRow runtime = row("a", "gpu_s", "1", {{"active", true}, {"idle", false}});
  const PriceRow deployment = row("b", "gpu_s", "1", {{"active", true}, {"idle", true}});
  const PriceRow core = row("c", "core_s", "1");
  const std::vector<Offer> offers = offers_of({&runtime, &deployment, &core});
  REQUIRE(offers.size() == 2);
  CHECK(offers[0].style == PricingStyle::runtime);
  CHECK(offers[1].style == PricingStyle::deployment);
}

TEST_CASE("tokens of a model are one offer; of two dates the newer counts") {
  PriceRow in = row("m", "mtok_in", "1"), out = row("m", "mtok_out", "2"), newer = row("m", "mtok_out", "4");
  newer.read_on = "2026-11-02";
  const std::vector<Offer> offers = offers_of({&in, &out, &newer});
  REQUIRE(offers.size() == 1);
  Work work;
  work.cases = {
      one_case({0, 0}, {{"input_tokens", {1'000'000, 1'000'000}}, {"output_tokens", {500'000, 500'000}}})};
  CHECK(*offer_amount(offers[0], work).typical == 3);
  const std::vector<Offer> half = offers_of({&in});
  CHECK_FALSE(offer_amount(half[0], work).typical);
}

TEST_CASE("units by name are those by type") {
  CaseUnits units;
  CHECK(named_units(units).empty());
  for (const char* name :
       {"image", "megapixel", "video_s", "request", "input_tokens", "cached_tokens", "output_tokens"}) {
    CHECK(is_cost_unit(name));
    set_unit(units, name, {1, 2});
  }
  CHECK_FALSE(is_cost_unit("images"));
  CHECK(named_units(units).size() == 7);
  CHECK(units.video_s->worst.value == 2);
  CHECK(named_units(units).at("cached_tokens").typical == 1);
}

TEST_CASE("always on pays from the hour's price over a prediction's") {
  PriceRow use = row("by use", "gpu_s", "0.001", {{"active", true}, {"idle", false}});
  PriceRow whole = row("whole", "gpu_h", "1.8", {{"active", true}, {"idle", true}});
  PriceRow dearer = row("dearer", "gpu_h", "3", {{"active", true}, {"idle", true}});
  Work work;
  work.cases = {CaseWork{Expected{4, 9}, {}}, CaseWork{Expected{6, 9}, {}}}; // 5 s on average
  std::vector<PricedOffer> offers;
  for (const Offer& offer : offers_of({&dearer, &use, &whole}))
    offers.push_back({offer, offer_amount(offer, work)});
  const std::optional<BreakEven> even = break_even(offers, work);
  REQUIRE(even);
  CHECK(even->always_on == &whole);
  CHECK(even->by_use == &use);
  CHECK(even->per_hour == 360); // 1.8 / 0.005
  CHECK(*even->utilisation == Exact(1, 2));
  CHECK(*even->instances == 1); // 1,800 s of 2,880
  offers.pop_back();
  offers.erase(offers.begin());
  CHECK_FALSE(break_even(offers, work));
}

TEST_CASE("rows of a device: what the rules tell apart has to be said, what only another one has must not") {
  const std::vector<Device> devices = load_devices(MRUN_HARDWARE).value();
  const PriceRules rules = PriceRules::load(MRUN_PRICE_RULES).value();
  const auto fits = [&](const char* sku, const char* device, std::map<std::string, std::string> dims = {}) {
    PriceRow made = row(sku, "gpu_h", "1");
    made.dims = std::move(dims);
    return is_row_of(made, **find_device(devices, device), devices, rules);
  };
  CHECK(fits("A100 80GB", "A100 80GB SXM")); // no price of its own for the form
  CHECK(fits("A100 SXM", "A100 80GB SXM", {{"memory_gb", "80"}}));
  CHECK_FALSE(fits("A100 SXM", "A100 80GB SXM"));
  CHECK_FALSE(fits("A100 80GB PCIe", "A100 80GB SXM"));
  CHECK_FALSE(fits("A100 40GB", "A100 80GB SXM"));
  CHECK(fits("H100 SXM", "H100 SXM"));
  CHECK_FALSE(fits("H100", "H100 SXM"));
  CHECK(fits("nvidia-t4", "t4"));
  CHECK(fits("RTX 4090", "RTX 4090"));
  CHECK_FALSE(fits("L40S", "L4"));
}

TEST_CASE("time of a CPU says nothing of a machine of another size") {
  const auto is_like = [](const char* cores, const char* memory_gb, int core_count, double bytes) {
    PriceRow made = row("cpu", "instance_h", "1");
    made.dims = {{"vcpu_count", cores}, {"memory_gb", memory_gb}};
    return is_cpu_like(made, core_count, bytes);
  };
  CHECK(is_like("4", "8", 4, 7e9));
  CHECK(is_like("4", "8", 3, 7e9));
  CHECK_FALSE(is_like("4", "8", 2, 7e9));
  CHECK_FALSE(is_like("4", "8", 5, 7e9));
  CHECK_FALSE(is_like("4", "8", 4, 9e9));
  CHECK(is_like("4", "", 4, 9e9));
  CHECK_FALSE(is_like("", "", 1, 0));
  PriceRow use = row("use", "instance_s", "0.001", {{"active", true}, {"idle", false}});
  PriceRow whole = row("whole", "instance_h", "1.8", {{"active", true}, {"idle", true}});
  const Work work = second_of_work();
  const Offer by_use = offers_of({&use}).front(), always = offers_of({&whole}).front();
  CHECK(break_even({{by_use, offer_amount(by_use, work)}, {always, {}}}, work));
  CHECK_FALSE(break_even({{by_use, offer_amount(by_use, work)}, {always, {}, false}}, work));
}

TEST_CASE("a fit finds what the time hangs on") {
  const Fit line = Fit::of(samples(10, [](double a, double) { return 3 + 2 * a; }));
  CHECK(line.driver() == "a");
  CHECK(line.at({{"a", 20}, {"b", 1}}).typical == doctest::Approx(43));
  CHECK(line.at({{"a", 100}, {"b", 1}}).beyond);
  const Fit product = Fit::of(samples(10, [](double a, double b) { return 1 + a * b; }));
  CHECK(product.driver() == "a*b");
  const Fit sum = Fit::of(samples(10, [](double a, double b) { return 2 + 3 * a + 5 * b; }));
  CHECK(sum.driver() == "a + b");
  CHECK(sum.at({{"a", 20}, {"b", 30}}).typical == doctest::Approx(212));
  CHECK(sum.at({{"a", 1}, {"b", 30}}).beyond);
  CHECK(sum.left_out_error() < 1e-6);
  const Fit square = Fit::of(samples(10, [](double a, double) { return 1 + a * a; }));
  CHECK(square.driver() == "a*a");
  // A law that is none of these: the error is told.
  const Fit poor =
      Fit::of(samples(10, [](double a, double b) { return 1 + std::abs(std::sin(7 * a + b)) * 9; }));
  CHECK(poor.left_out_error() > 0.1);
  const Fit mean = Fit::of(samples(10, [](double, double) { return 5.0; }));
  CHECK(mean.driver().empty());
  CHECK(mean.at({}).typical == doctest::Approx(5));
}

TEST_CASE("the worst case is at least as far out as what was measured") {
  std::vector<Sample> uneven = samples(8, [](double, double) { return 2.0; });
  uneven[3].value = 6;
  const Fit fit = Fit::of(uneven);
  CHECK(fit.at(uneven[3].drivers).worst >= doctest::Approx(6));
  const Fit one = Fit::of({{{{"a", 1}}, 4}});
  CHECK(one.at({{"a", 9}}).typical == 4);
  CHECK(one.sample_count() == 1);
}

TEST_CASE("projections: feasible first, then the ranges of the notes") {
  const Device t4{"T4", 65, std::nullopt, 130, std::nullopt, 203, 320, 16, "sheet", "2026-11-24", "B"};
  const Device h100{"H100", 989, 989, 1979, 1979, 295, 3350, 80, "sheet", "2026-11-24", "B"};
  Measured measured{10, 20e9, "fp16", 65, 320};
  CHECK(project(measured, t4).not_feasible->find("20.0 GB") != std::string::npos);
  measured.bytes = 1e9;
  measured.dtype = "bf16";
  CHECK(project(measured, t4).not_feasible->find("no units for bf16") != std::string::npos);
  measured.dtype = "fp16";
  const Projection same = project(measured, t4); // to itself: within both errors
  CHECK(same.least_s == doctest::Approx(7.5));
  CHECK(same.most_s == doctest::Approx(12.5));
  const Projection far = project(measured, h100);
  CHECK(far.least_s == doctest::Approx(10 * 65.0 / 989 * 0.9));
  CHECK(far.most_s == doctest::Approx(10 * 320.0 / 3350 * 1.25));
}

TEST_CASE("the public triple of the notes lies inside the ranges") {
  // RTX 4090 → 5090: prefill 1.28x, decode 1.41x faster, by measurement.
  const Device next{"RTX 5090", 209.5, 209.5, 838, 419, 117, 1792, 32, "sheet", "2026-05-20", "B"};
  const Projection projected = project({1, 0, "fp16", 165, 1008}, next);
  for (const double faster : {1.28, 1.41}) {
    CHECK(1 / faster >= projected.least_s);
    CHECK(1 / faster <= projected.most_s);
  }
}

TEST_CASE("a rate per device is billed for every device of a node") {
  PriceRow node = row("H100 SXM", "gpu_h", "3.6", {{"active", true}, {"idle", false}});
  Work work = second_of_work();
  CHECK(exact_text(*offer_amount(offers_of({&node}).front(), work).typical, 6) == "0.001");
  node.dims["gpu_count"] = "8";
  const Amount amount = offer_amount(offers_of({&node}).front(), work);
  CHECK(exact_text(*amount.typical, 6) == "0.008");
  CHECK(amount.formula.find("8 devices") != std::string::npos);
  // An instance's rate is that of all its devices.
  PriceRow instance = row("p5", "instance_h", "28.8", {{"active", true}, {"idle", false}});
  instance.dims["gpu_count"] = "8";
  CHECK(exact_text(*offer_amount(offers_of({&instance}).front(), work).typical, 6) == "0.008");
}

TEST_CASE("the user's machine as a deployment: work and loads at the rate, waiting at the idle rate") {
  OwnRate rate{Money::parse("3.6", ErrorCode::cost_setup).value(), "instance_h", "EUR", {}, {}};
  Work work = second_of_work();
  CHECK(own_deployment_amount(std::nullopt, work).reason.find("mrun cost setup") != std::string::npos);
  CHECK(own_deployment_amount(rate, work).reason.find("waits") != std::string::npos);
  rate.idle_rate = Money::parse("0.36", ErrorCode::cost_setup).value();
  CHECK(own_deployment_amount(rate, work).reason.find("warm") != std::string::npos);
  work.keep_warm_s = Exact(100);
  work.setup_s = Expected{10, 20};
  // Alone and cold: 2 s of work and 20 s of load at 0.001 a second, 100 s of waiting at 0.0001.
  Amount amount = own_deployment_amount(rate, work);
  CHECK_FALSE(amount.typical);
  CHECK(exact_text(*amount.worst, 6) == "0.032");
  CHECK(exact_text(amount.worst_parts->idle, 6) == "0.01");
  // 36 an hour, K = 100: λK = 1, P(cold) = e^-1 = 0.367879441171; idle (1 - P) / 0.01.
  work.per_hour = Expected{36, 36};
  amount = own_deployment_amount(rate, work);
  CHECK(exact_text(amount.typical_parts->active, 12) == "0.001");
  CHECK(exact_text(amount.typical_parts->setup, 12) == "0.003678794412");
  CHECK(exact_text(amount.typical_parts->idle, 12) == "0.006321205588");
  CHECK(*amount.typical ==
        amount.typical_parts->active + amount.typical_parts->setup + amount.typical_parts->idle);
  // Always loaded, 100 s between requests: the machine waits 99 of them, however many instances it has.
  work.instances = 3;
  amount = own_deployment_amount(rate, work);
  CHECK(exact_text(*amount.typical, 12) == "0.0109");
  CHECK(exact_text(*amount.worst, 12) == "0.0118");
  work.per_hour = Expected{3600, 3600};
  CHECK(own_deployment_amount(rate, work).reason.find("can't serve") != std::string::npos);
}

TEST_CASE("the user's machine by the unit: what an image, a second of video, a million tokens cost there") {
  const OwnRate rate{Money::parse("3.6", ErrorCode::cost_setup).value(), "instance_h", "USD", {}, {}};
  Work work;
  work.cases = {
      one_case({4, 8}, {{"image", {2, 5}}, {"input_tokens", {1000, 1000}}, {"output_tokens", {250, 900}}}),
      one_case(
          {6, 6},
          {{"image", {3, 3}}, {"video_s", {5, 5}}, {"input_tokens", {0, 0}}, {"output_tokens", {0, 0}}})};
  const auto costs = own_unit_costs(own_amount(rate, work), work); // 0.01, worst 0.014
  CHECK(exact_text(costs.at("image").typical, 6) == "0.002");
  CHECK(exact_text(costs.at("image").worst, 6) == "0.0028");
  CHECK(exact_text(costs.at("mtok_out").typical, 6) == "20");
  CHECK(exact_text(costs.at("mtok_in").worst, 6) == "7");
  CHECK_FALSE(costs.contains("video_s")); // one case does not tell
  CHECK_FALSE(costs.contains("megapixel"));
  CHECK(own_unit_costs(own_amount(std::nullopt, work), work).empty());
}
