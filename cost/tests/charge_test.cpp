#include <doctest/doctest.h>

#include "cost/charge.h"

using namespace mrun;

namespace {

PriceRow public_row() {
  PriceRow row;
  row.provider = "replicate";
  row.sku = "CPU 4x 8GB";
  row.rate = *Money::parse("0.0001", ErrorCode::internal);
  row.per = "instance_s";
  row.states = {{"queue", false}, {"pull", false},    {"setup", false},
                {"active", true}, {"canceled", true}, {"aborted", false}};
  row.granularity_ns = 1'000'000'000;
  row.dims = {{"product", "public"}};
  row.source = "a page";
  row.read_on = "2026-11-18";
  return row;
}

Usage usage(PredictionStatus status, std::int64_t predict_ns, std::int64_t setup_ns = 0) {
  Usage used;
  used.status = status;
  used.phases[Phase::predict] = predict_ns;
  used.phases[Phase::map] = setup_ns;
  used.started = true;
  return used;
}

std::string amount(const Charge& charge) {
  return charge.amount ? charge.amount->text() : "unknown";
}

} // namespace

TEST_CASE("a public row charges started seconds of the model's time") {
  const PriceRow row = public_row();
  CHECK(amount(reference_charge(&row, usage(PredictionStatus::succeeded, 1))) == "0.0001");
  CHECK(amount(reference_charge(&row, usage(PredictionStatus::succeeded, 1'000'000'000))) == "0.0001");
  CHECK(amount(reference_charge(&row, usage(PredictionStatus::succeeded, 1'000'000'001))) == "0.0002");
  CHECK(amount(reference_charge(&row, usage(PredictionStatus::succeeded, 500, 9'000'000'000))) ==
        "0.0001"); // set-up is free
  CHECK(amount(reference_charge(&row, usage(PredictionStatus::canceled, 2'500'000'000))) == "0.0003");
  CHECK(amount(reference_charge(&row, usage(PredictionStatus::aborted, 2'500'000'000))) == "0");
  CHECK(amount(reference_charge(&row, usage(PredictionStatus::canceled, 0))) == "0");
}

TEST_CASE("a state that the source does not tell is unknown, not free") {
  const PriceRow row = public_row();
  const Charge charge = reference_charge(&row, usage(PredictionStatus::failed, 2'500'000'000));
  CHECK(amount(charge) == "unknown");
  CHECK(charge.reason.find("`failed`") != std::string::npos);
  const Json json = reference_charge_json(charge);
  CHECK(json["amount"].is_null());
  CHECK(json["reason"] == charge.reason);
  // It never reached the model: nothing of that state was used.
  CHECK(amount(reference_charge(&row, usage(PredictionStatus::failed, 0))) == "0");
}

TEST_CASE("a row that bills set-up, by the hour, without a granularity") {
  PriceRow row = public_row();
  row.per = "gpu_h";
  row.rate = *Money::parse("3.6", ErrorCode::internal);
  row.granularity_ns.reset();
  row.states["setup"] = true;
  CHECK(amount(reference_charge(&row, usage(PredictionStatus::succeeded, 500'000'000, 1'500'000'000))) ==
        "0.002");
  row.per = "image";
  CHECK(amount(reference_charge(&row, usage(PredictionStatus::succeeded, 1))) == "unknown");
  CHECK(amount(reference_charge(nullptr, usage(PredictionStatus::succeeded, 1))) == "unknown");
  CHECK(reference_charge_json(reference_charge(nullptr, usage(PredictionStatus::succeeded, 1))).is_null());
}

TEST_CASE("the own cost is null with its reason until a rate is set") {
  const Charge none = own_charge(std::nullopt, usage(PredictionStatus::succeeded, 1'000'000'000));
  CHECK(own_charge_json(none).is_null());
  CHECK(none.reason.find("mrun cost setup") != std::string::npos);
  const OwnRate rate{*Money::parse("0.36", ErrorCode::internal), "instance_h", "USD", {}, {}};
  CHECK(amount(own_charge(rate, usage(PredictionStatus::succeeded, 1'000'000'000))) == "0.0001");
  CHECK(amount(own_charge(rate, usage(PredictionStatus::canceled, 500'000'000))) == "0.00005");
  CHECK(amount(own_charge(rate, usage(PredictionStatus::aborted, 500'000'000))) == "0");
}

TEST_CASE("the JSON of a charge, byte for byte") {
  const PriceRow row = public_row();
  CHECK(
      canonical_json(
          reference_charge_json(reference_charge(&row, usage(PredictionStatus::succeeded, 23'500'000)))) ==
      R"({"amount":"0.0001","billed_s":"1","currency":"USD","formula":"rate x billed states, rounded up to 1 s",)"
      R"("granularity":"1 s","note":"reference, not your bill","per":"instance_s","product":"public","provider":"replicate","rate":"0.0001",)"
      R"("read_on":"2026-11-18","sku":"CPU 4x 8GB","source":"a page"})");
  const OwnRate rate{*Money::parse("0.36", ErrorCode::internal), "instance_h", "USD", {}, {}};
  CHECK(
      canonical_json(own_charge_json(own_charge(rate, usage(PredictionStatus::succeeded, 23'500'000)))) ==
      R"({"amount":"0.00000235","billed_s":"0.0235","currency":"USD","formula":"rate x predict time","per":"instance_h","rate":"0.36"})");
}
