// What the service makes of a worker's life: lines with their costs, `ps`, tags and units.
#include <doctest/doctest.h>

#include "daemon/tests/service_fixture.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

constexpr std::int64_t k_ms = 1'000'000;

struct LedgerFixture : ServiceFixture {
  explicit LedgerFixture(const std::string& shape = "") : ServiceFixture(shape) {
    stop();
    rate.emplace();
    rate->rate = *Money::parse("3.6", ErrorCode::internal);
    rate->per = "instance_h"; // 0.001 a second
    rate->currency = "EUR";
    rate->idle_rate = *Money::parse("0.36", ErrorCode::internal);
    start();
  }

  RunListener& listener() { return *fake_runner().listener; }
  void load(WorkerKey worker, RunKey cause, PredictionStatus status = PredictionStatus::succeeded) {
    listener().on_load_began(
        {worker, *Digest::parse_hex(version), "test/echo", "cpu", cause, 1'700'000'000'000 * k_ms});
    LoadEnded ended{worker, status, {}, 2000 * k_ms, 2000 * k_ms};
    ended.phases[Phase::map] = 2000 * k_ms;
    listener().on_load_ended(ended);
  }
  Json lines(const QueryPairs& pairs = {}) {
    Result<Json> page =
        ask<Json>([&](Callback<Json> done) { service->ledger(*parse_ledger_page(pairs), std::move(done)); });
    REQUIRE_MESSAGE(page, page.error().message);
    return (*page)["rows"];
  }
  void check_ledger() {
    const Result<void> checked = ReaderDatabase::open(home.database().string())->check_ledger();
    CHECK_MESSAGE(checked, checked.error().message);
  }
  Json only(const std::string& kind) {
    const Json found = lines({{"kind", kind}});
    REQUIRE(found.size() == 1);
    return found[0];
  }
};

} // namespace

TEST_CASE("a load is a line of its own, with the prediction that caused it") {
  LedgerFixture fixture;
  const Prediction prediction = fixture.must_create({{"text", "hi"}});
  const RunKey key = fake_runner().last();
  fixture.load(7, key);
  RunOutcome outcome = FakeRunner::success();
  outcome.worker = 7;
  REQUIRE(fixture.end(prediction.id, key, outcome));
  const Json setup = fixture.only("setup");
  CHECK(setup["prediction"] == prediction.id);
  CHECK(setup["status"] == "succeeded");
  CHECK(setup["duration_ns"] == 2000 * k_ms);
  CHECK(setup["phases_ns"]["map"] == 2000 * k_ms);
  CHECK(setup["cost"]["amount"] == "0.002");
  CHECK(setup["cost"]["formula"] == "rate x setup time");
  CHECK(setup["cost_reference"]["reason"].is_string()); // the fixture has no price book
  const Json line = fixture.only("prediction");
  CHECK(line["worker"] == setup["id"]);
  CHECK(line["cost"]["amount"] == "0.000005");
  CHECK(fixture.get(prediction.id)->metrics["cost"]["amount"] == "0.000005");
  fixture.check_ledger();
}

TEST_CASE("idle stretches: one ended by use goes with the prediction, one by unloading stands alone") {
  LedgerFixture fixture;
  const Prediction prediction = fixture.must_create({{"text", "hi"}});
  const RunKey key = fake_runner().last();
  fixture.load(7, key);
  RunOutcome outcome = FakeRunner::success();
  outcome.worker = 7;
  outcome.idle_before.emplace_back(7, IdleStretch{5'000'000, 1000 * k_ms, 1000 * k_ms});
  outcome.idle_from_wall_ns = 9'000'000;
  REQUIRE(fixture.end(prediction.id, key, outcome));
  const Json used = fixture.only("idle");
  CHECK(used["status"] == "used");
  CHECK(used["prediction"] == prediction.id);
  CHECK(used["cost"]["amount"] == "0.0001");
  CHECK(used["cost"]["rate"] == "0.36");
  fixture.listener().on_worker_gone(7, IdleStretch{9'000'000, 500 * k_ms, 0}); // others had the machine
  while (fixture.lines({{"status", "unloaded"}}).empty()) {
  } // it is being committed
  const Json gone = fixture.lines({{"status", "unloaded"}})[0];
  CHECK(gone["duration_ns"] == 500 * k_ms);
  CHECK(gone["cost"]["amount"] == "0"); // known to be nothing of its own
  CHECK(gone["cost"]["formula"] == "idle rate x share of the machine's idle time");
  CHECK(gone["prediction"].is_null());
  fixture.check_ledger();
}

TEST_CASE("a worker that dies under a prediction: the stretch which that ended is known") {
  LedgerFixture fixture;
  const Prediction prediction = fixture.must_create({{"text", "hi"}});
  const RunKey key = fake_runner().last();
  fixture.load(7, 0);
  fixture.listener().on_idle_began(7, 5'000'000);
  fixture.listener().on_worker_gone(7, IdleStretch{5'000'000, 1000 * k_ms, 1000 * k_ms, key});
  RunOutcome outcome; // failed
  outcome.worker = 7;
  REQUIRE(fixture.end(prediction.id, key, outcome));
  const Json used = fixture.only("idle");
  CHECK(used["status"] == "used");
  CHECK(used["prediction"] == prediction.id);
  CHECK(used["cost"]["amount"] == "0.0001");
  fixture.check_ledger();
}

TEST_CASE("shares: the own cost by the machine's, and it says so") {
  LedgerFixture fixture;
  const Prediction prediction = fixture.must_create({{"text", "hi"}});
  RunOutcome outcome = FakeRunner::success(); // 5 ms
  outcome.machine_ns = 2 * k_ms;
  outcome.worker_ns = 3 * k_ms;
  const Result<Prediction> ended = fixture.end(prediction.id, fake_runner().last(), outcome);
  REQUIRE(ended);
  CHECK(ended->metrics["cost"]["amount"] == "0.000002");
  CHECK(ended->metrics["cost"]["billed_s"] == "0.002");
  CHECK(ended->metrics["cost"]["formula"] == "rate x share of the machine's time");
  CHECK(ended->metrics["predict_time"] == 0.005);
  fixture.check_ledger();
}

TEST_CASE("a daemon that is killed leaves lines whose length is unknown, and each once") {
  LedgerFixture fixture;
  const Prediction prediction = fixture.must_create({{"text", "hi"}});
  const RunKey key = fake_runner().last();
  fixture.load(7, key);
  RunOutcome outcome = FakeRunner::success();
  outcome.worker = 7;
  outcome.idle_from_wall_ns = 9'000'000;
  REQUIRE(fixture.end(prediction.id, key, outcome));
  fixture.listener().on_load_began(
      {8, *Digest::parse_hex(fixture.version), "test/echo", "cpu", 0, 10'000'000});
  fixture.stop(); // the fake workers' lives have no end
  fixture.start();
  CHECK(fixture.only("idle")["status"] == "unknown");
  CHECK(fixture.only("idle")["duration_ns"].is_null());
  CHECK(fixture.lines({{"kind", "setup"}, {"status", "unknown"}}).size() == 1);
  fixture.stop();
  fixture.start();
  CHECK(fixture.lines().size() == 4); // prediction, setup, and the two that are unknown
  fixture.check_ledger();
}

TEST_CASE("a prediction whose file is still being stored when its worker goes leaves no open stretch") {
  LedgerFixture fixture("inputs: {}\noutput: {type: file}\n");
  const Prediction prediction = fixture.must_create(Json::object());
  const RunKey key = fake_runner().last();
  fixture.load(7, key);
  fixture.output_file(key, "bytes", "text/plain", "x.txt");
  RunOutcome outcome = FakeRunner::success();
  outcome.worker = 7;
  outcome.idle_from_wall_ns = 9'000'000;
  fake_runner().requests.erase(key);
  fixture.listener().on_done(key, outcome); // its end waits for the file
  fixture.listener().on_worker_gone(7, IdleStretch{9'000'000, 1 * k_ms, 1 * k_ms});
  REQUIRE(fixture.wait<Prediction>(
      [&](Callback<Prediction> done) { return fixture.when_done(prediction.id, std::move(done)); }));
  CHECK(fixture.only("prediction")["worker"] == fixture.only("setup")["id"]);
  fixture.stop();
  fixture.start();
  CHECK(fixture.only("idle")["status"] == "unloaded");
  fixture.check_ledger();
}

TEST_CASE("tags are kept with the prediction and its line, and shown on our own surface only") {
  LedgerFixture fixture;
  CreatePrediction request;
  request.version = "test/echo";
  request.input = {{"text", "hi"}};
  request.tags = {{"user", "alice"}};
  request.durable_first = true;
  const Result<Prediction> created = fixture.ask<Prediction>(
      [&](Callback<Prediction> done) { fixture.service->create(request, std::move(done)); });
  REQUIRE(created);
  REQUIRE(fixture.end(created->id, fake_runner().last()));
  CHECK(fixture.only("prediction")["tags"] == Json{{"user", "alice"}});
  fixture.stop();
  fixture.start(); // from the database
  const Result<Prediction> stored = fixture.get(created->id);
  REQUIRE(stored);
  CHECK(stored->tags == request.tags);
  CHECK(own_prediction_json(*stored, "http://x")["mrun"] == Json{{"tags", {{"user", "alice"}}}});
  CHECK_FALSE(prediction_json(*stored, "http://x").contains("mrun"));
  fixture.check_ledger();
}

TEST_CASE("an output file's units come from its bytes, not from its name or type") {
  LedgerFixture fixture("inputs: {}\noutput: {type: file, iterator: true}\nmeter: {unit: image}\n");
  const Prediction prediction = fixture.must_create(Json::object());
  const RunKey key = fake_runner().last();
  const std::string png("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x20", 24);
  fixture.output_file(key, png, "text/plain", "notes.txt");
  fixture.output_file(key, "no picture", "image/png", "picture.png");
  const Result<Prediction> ended = fixture.end(prediction.id, key);
  REQUIRE(ended);
  CHECK(ended->metrics["image_count"] == 1);
  CHECK(ended->metrics["image_pixels"] == 64 * 32);
  CHECK(fixture.only("prediction")["units"] == Json{{"image_count", 1}, {"image_pixels", 2048}});
}

TEST_CASE("a plan tells time and cost by what the version last took, times the number") {
  LedgerFixture fixture;
  const auto plan = [&](std::int64_t count) {
    const PlanQuery query{fixture.version, "auto", count};
    Result<Json> planned =
        fixture.ask<Json>([&](Callback<Json> done) { fixture.service->plan(query, std::move(done)); });
    REQUIRE_MESSAGE(planned, planned.error().message);
    return std::move(*planned);
  };
  const Json before = plan(1);
  CHECK(before["schema"] == "mrun.plan/v1");
  CHECK(before["device"] == "cpu");
  CHECK(before["cost"].is_null());
  CHECK(before["cost_reason"] == "it has not run on this device yet: how long it takes is not known");
  const Prediction prediction = fixture.must_create({{"text", "hi"}});
  REQUIRE(fixture.end(prediction.id, fake_runner().last()));
  const Json after = plan(1000);
  CHECK(after["predictions"] == 1000);
  CHECK(after["predict_ns"] == 5 * k_ms);
  CHECK(after["cost"]["amount"] == "0.005"); // 5 s at 0.001 a second
  CHECK(after["cost_reason"].is_null());
  CHECK(after["load_cost"].is_null());
  fake_runner().refusal = fail(ErrorCode::queue_full, "full").value();
  const Result<Json> refused = fixture.ask<Json>(
      [&](Callback<Json> done) { fixture.service->plan({fixture.version, "auto", 1}, std::move(done)); });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::queue_full);
}
