// Every trap that real price data fell into is caught, and the book that ships falls into none.
#include <algorithm>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "common/fd.h"
#include "cost/devices.h"
#include "cost/price_rules.h"

using namespace mrun;

namespace {

constexpr std::string_view k_today = "2026-11-27";

PriceRules rules() {
  return PriceRules::load(MRUN_PRICE_RULES).value();
}

PriceBook shipped() {
  return PriceBook::load(MRUN_PRICES).value();
}

PriceRow row(std::string provider, std::string sku, std::string per, std::string usd,
             std::map<std::string, std::string> dims = {}) {
  PriceRow made;
  made.provider = std::move(provider);
  made.sku = std::move(sku);
  made.per = std::move(per);
  made.kind = made.per.starts_with("mtok") ? "token" : seconds_of_unit(made.per) ? "runtime" : made.per;
  made.rate = Money::parse(usd, ErrorCode::price_file).value();
  made.dims = std::move(dims);
  made.read_on = "2026-11-20";
  made.source = "a page";
  made.granularity_ns = 1'000'000'000;
  return made;
}

// "refused:unit_band warning:ambiguous_sku", sorted.
std::string verdict(const PriceRow& checked, const std::vector<PriceRow>& known = {}) {
  std::vector<std::string> words;
  for (const PriceFinding& finding : check_prices(rules(), {checked}, known, k_today))
    words.push_back((finding.severity == PriceFinding::Severity::refused ? "refused:" : "warning:") +
                    finding.rule);
  std::sort(words.begin(), words.end());
  return fmt::format("{}", fmt::join(words, " "));
}

} // namespace

TEST_CASE("the shipped book has no refused figure") {
  for (const PriceFinding& finding : check_prices(rules(), shipped().rows, shipped().rows, k_today)) {
    CAPTURE(finding.name);
    CAPTURE(finding.message);
    CHECK(finding.severity == PriceFinding::Severity::warning);
  }
}

TEST_CASE("trap: dollars read as cents, and cents as dollars") {
  CHECK(verdict(row("together", "FLUX.1-schnell", "image", "0.000027")) == "refused:unit_band");
  const PriceRow known = row("together", "FLUX.1-schnell", "image", "0.0027");
  CHECK(verdict(row("together", "FLUX.1-schnell", "image", "0.27"), {known}) == "refused:unit_slip");
  CHECK(verdict(row("together", "FLUX.1-schnell", "image", "0.003"), {known}).empty());
}

TEST_CASE("trap: a rate under the name of the product beside it") {
  const std::vector<PriceRow> book = shipped().rows;
  CHECK(verdict(row("modal", "H100", "gpu_s", "0.000694"), book) == "refused:sku_swap warning:ambiguous_sku");
  CHECK(verdict(row("replicate", "A100 80GB", "instance_s", "0.001525",
                    {{"product", "public"}, {"gpu_count", "1"}, {"memory_gb", "80"}}),
                book) == "refused:sku_swap");
  CHECK(verdict(row("modal", "H100", "gpu_s", "0.001097"), book) == "warning:ambiguous_sku");
}

TEST_CASE("trap: the same, by another spelling, unit or product than the book's") {
  const std::vector<PriceRow> book = shipped().rows;
  const auto swapped = [&](const PriceRow& checked) {
    return verdict(checked, book).find("refused:sku_swap") != std::string::npos;
  };
  CHECK(swapped(row("replicate", "A100 80GB", "instance_s", "0.001525")));
  CHECK(swapped(row("replicate", "A100 80GB", "gpu_s", "0.001525")));
  CHECK(swapped(row("replicate", "nvidia-a100-80gb", "gpu_h", "5.49")));
  CHECK(swapped(row("modal", "H100 SXM", "gpu_s", "0.000694")));
  CHECK(swapped(row("modal", "H100", "instance_s", "0.000694")));
  CHECK_FALSE(swapped(row("modal", "H100 SXM", "gpu_s", "0.001097")));
  CHECK_FALSE(swapped(row("replicate", "H100", "instance_s", "0.001525")));
  CHECK_FALSE(swapped(row("replicate", "A100 80GB", "instance_s", "0.00141")));
  CHECK(verdict(row("together", "FLUX.1-schnell", "image", "0.27"), book) == "warning:unit_slip");
  CHECK(verdict(row("together", "FLUX.1-schnell", "image", "0.0054"), book).empty());
}

TEST_CASE("trap: one name for three products") {
  CHECK(verdict(row("x", "H100", "gpu_h", "3.5")) == "warning:ambiguous_sku");
  CHECK(verdict(row("x", "H100 SXM", "gpu_h", "3.5")).empty());
  CHECK(verdict(row("x", "A100", "gpu_h", "1.5")) == "warning:ambiguous_sku");
}

TEST_CASE("trap: the price of an advertisement") {
  PriceRow offer = row("x", "H100 SXM", "gpu_h", "1.89");
  offer.source = "their page: GPUs as low as $1.89";
  CHECK(verdict(offer) == "refused:marketing_price");
  offer.dims["price_type"] = "from";
  CHECK(verdict(offer) == "warning:marketing_price");
}

TEST_CASE("trap: pages that give scrambled figures") {
  PriceRow bait = row("x", "T4", "gpu_h", "0.5");
  bait.source = "https://code.seto.ovh/gpus";
  CHECK(verdict(bait) == "refused:trap_source");
}

TEST_CASE("a figure has to stand in its evidence") {
  PriceRow quoted = row("x", "T4", "gpu_h", "0.5");
  quoted.evidence = "T4: $0.50 per hour";
  CHECK(verdict(quoted).empty());
  for (const char* other : {"T4: $0.35 per hour", "T4: $10.5 a day", "T4: $0.55 per hour", "T4: free", "."}) {
    quoted.evidence = other;
    CHECK_MESSAGE(verdict(quoted) == "refused:not_in_evidence", other);
  }
  quoted.evidence = "A T4 costs 0.50.";
  CHECK(verdict(quoted).empty());
}

TEST_CASE("trap: seconds that are rounded to something else") {
  PriceRow time = row("x", "T4", "gpu_s", "0.0002");
  time.granularity_ns.reset();
  CHECK(verdict(time) == "warning:granularity_unknown");
  time.granularity_ns = 7'000'000'000;
  CHECK(verdict(time) == "warning:granularity_odd");
}

TEST_CASE("trap: an hour shown for a second, a node for a device") {
  CHECK(verdict(row("x", "H100 SXM", "gpu_s", "3.99")) == "refused:gpu_band refused:unit_band");
  CHECK(verdict(row("x", "H100 SXM", "gpu_h", "55.04")) == "refused:node_price refused:unit_band");
  CHECK(verdict(row("x", "A100 80GB", "instance_h", "27.45")) == "refused:node_price warning:node_unknown");
  CHECK(verdict(row("x", "A100 80GB", "instance_h", "27.45", {{"gpu_count", "8"}})).empty());
}

TEST_CASE("a trap is one in any spelling") {
  for (const char* sku : {"A100 80GB", "a100 80gb", "nvidia-a100-80gb", "NVIDIA_A100_80GB", "A100x8 80GB",
                          "8xA100 80GB", "A100-SXM4-80GB", "A100SXM4 80GB"})
    CHECK_MESSAGE(verdict(row("x", sku, "gpu_h", "15")) == "refused:node_price", sku);
  CHECK(verdict(row("x", "A100x8 80GB", "instance_h", "27.45")) == "refused:node_price warning:node_unknown");
  CHECK(verdict(row("x", "A100x8 80GB", "instance_h", "27.45", {{"gpu_count", "8"}})).empty());
  CHECK(verdict(row("x", "RTX A1000", "gpu_h", "15")).empty()); // another product
  CHECK(verdict(row("x", "h100", "gpu_h", "3.5")) == "warning:ambiguous_sku");
  CHECK(verdict(row("x", "a100 80 GB", "gpu_h", "1.5")).empty());
  const PriceRow known = row("x", "FLUX.1-schnell", "image", "0.0027");
  CHECK(verdict(row("x", "flux 1 schnell", "image", "0.27"), {known}) == "refused:unit_slip");
  const PriceRow one = row("x", "T4", "gpu_h", "0.5"), other = row("x", "t4", "gpu_h", "0.6");
  CHECK(check_prices(rules(), {one, other}, {}, k_today).size() == 1);
}

TEST_CASE("trap: the price of one thing in the unit of another") {
  PriceRow slipped = row("x", "llama", "gpu_h", "0.5");
  slipped.kind = "token";
  CHECK(verdict(slipped) == "refused:kind_unit");
  slipped = row("x", "flux", "video_s", "0.05");
  slipped.kind = "image";
  CHECK(verdict(slipped) == "refused:kind_unit");
}

TEST_CASE("a date to come, and two figures of one day") {
  PriceRow late = row("x", "T4", "gpu_h", "0.5");
  late.read_on = "2027-01-01";
  CHECK(verdict(late) == "refused:future_date");
  const PriceRow one = row("x", "T4", "gpu_h", "0.5"), other = row("x", "T4", "gpu_h", "0.6");
  const auto found = check_prices(rules(), {one, other}, {}, k_today);
  REQUIRE(found.size() == 1);
  CHECK(found[0].rule == "conflict");
}

TEST_CASE("trap: sparse rates, a sibling's bandwidth") {
  const std::vector<Device> known = load_devices(MRUN_HARDWARE).value();
  CHECK(check_devices(known, known).empty());
  const auto faults_of = [&](const std::string& name, auto change) {
    Device device = **find_device(known, name);
    change(device);
    return fmt::format("{}", fmt::join(check_devices({device}, known), "; "));
  };
  CHECK(faults_of("B200 HGX", [](Device& d) { d.fp8_tflops = 9000; }).find("sparsity") != std::string::npos);
  CHECK(faults_of("H100 SXM", [](Device& d) { d.fp8_tflops = 263; }).find("not the known 1979") !=
        std::string::npos);
  CHECK(faults_of("A100 40GB SXM", [](Device& d) { d.memory_gbs = 2039; }).find("that of A100 80GB SXM") !=
        std::string::npos);
  CHECK(faults_of("T4", [](Device& d) { d.bf16_tflops = 65; }).find("no units") != std::string::npos);
  CHECK_FALSE(find_device(known, "H100"));
  CHECK(find_device(known, "t4"));
}
