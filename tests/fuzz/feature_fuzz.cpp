// feature.yaml, and what it costs by a small price book.
#include "cost/feature_cost.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

constexpr std::string_view k_book =
    R"([{"provider":"p","sku":"image","kind":"image","usd":0.01,"per":"image","read_on":"2026-11-01","source":"s","confidence":"A"},)"
    R"({"provider":"p","sku":"talk","kind":"token","usd":0.15,"per":"mtok_in","read_on":"2026-11-01","source":"s","confidence":"A"},)"
    R"({"provider":"p","sku":"talk","kind":"token","usd":0.6,"per":"mtok_out","read_on":"2026-11-01","source":"s","confidence":"A"},)"
    R"({"provider":"p","sku":"gpu","kind":"runtime","usd":0.001,"per":"instance_s","states":{"active":1,"idle":1,"setup":1},)"
    R"("granularity_s":1,"read_on":"2026-11-01","source":"s","confidence":"A"}])";

void check_cost(const FeatureCost& cost) {
  Expected sum{0, 0};
  for (const CallCost& call : cost.calls) {
    MRUN_CHECK(call.amount.typical >= 0 && call.amount.worst >= call.amount.typical);
    MRUN_CHECK(call.amount.worst == call.first.worst + call.retries.worst + call.fallback.worst);
    sum.typical += call.amount.typical;
    sum.worst += call.amount.worst;
  }
  MRUN_CHECK(sum.typical == cost.per_action.typical && sum.worst == cost.per_action.worst);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const PriceBook book = PriceBook::parse(k_book).value();
  static const std::optional<OwnRate> own =
      OwnRate{Money::parse("0.36", ErrorCode::cost_setup).value(), "instance_h", "USD", {}, {}};
  const auto feature = parse_feature(fuzz::text_of(data, size), "feature.yaml");
  if (!feature) {
    fuzz::check_error(feature.error());
    return 0;
  }
  const auto cost = feature_cost(*feature, book, own, "feature.yaml");
  if (cost)
    check_cost(*cost);
  else
    fuzz::check_error(cost.error());
  return 0;
}
