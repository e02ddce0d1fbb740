#include "daemon/tests/service_fixture.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

std::string types(const std::vector<Event>& events) {
  std::string text;
  for (const Event& event : events)
    text += std::string(text.empty() ? "" : " ") + std::string(event_name(event.type));
  return text;
}

} // namespace

TEST_CASE("a waiting caller gets its prediction after one commit, without a sync") {
  ServiceFixture fixture;
  const Prediction accepted = fixture.must_create({{"text", "hi"}});
  CHECK(accepted.status == PredictionStatus::starting);
  CHECK(accepted.model == "test/echo");
  CHECK(accepted.version == fixture.version);
  const RunKey key = fake_runner().last();
  CHECK(fake_runner().requests[key].input == Json{{"text", "hi"}});
  fake_runner().listener->on_started(key);
  fixture.output_text(key, "h");
  fixture.output_text(key, "i");
  fake_runner().listener->on_log(key, "info", "a line");
  fake_runner().listener->on_metric(key, "tokens", 2);
  fake_runner().listener->on_metric(key, "image_count", 500); // units are measured, never said
  fake_runner().listener->on_metric(key, "video_ns", 1e15);
  const Result<Prediction> ended = fixture.end(accepted.id, key);
  REQUIRE(ended);
  CHECK(ended->status == PredictionStatus::succeeded);
  CHECK(ended->output == "hi");
  CHECK(ended->logs == "a line\n");
  CHECK(ended->started_ns);
  const Json& metrics = ended->metrics;
  CHECK(metrics["tokens"] == 2.0);
  CHECK_FALSE(metrics.contains("image_count"));
  CHECK_FALSE(metrics.contains("video_ns"));
  CHECK(metrics["predict_time"] == 0.005);
  CHECK(metrics["phases_ns"]["predict"] == 5'000'000);
  CHECK(metrics["output_bytes"] == 4); // "hi" as JSON
  CHECK(metrics["worker_pid"] == 77);
  CHECK(metrics["device"] == "cpu");
  CHECK(metrics["cost"].is_null());
  CHECK(metrics["cost_reason"].is_string());
  // From memory, and after a restart from the database: the same.
  const Json shown = prediction_json(*fixture.get(accepted.id), "");
  CHECK(fixture.get(accepted.id)->metrics == metrics);
  fixture.stop();
  fixture.start();
  CHECK(prediction_json(*fixture.get(accepted.id), "") == shown);
  CHECK(fixture.interrupted == 0);
}

TEST_CASE("an acknowledged prediction survives a stop in one terminal state, billed once") {
  ServiceFixture fixture;
  const Prediction accepted = fixture.must_create({{"text", "hi"}}, true);
  CHECK(ReaderDatabase::open(fixture.home.database().string())->get(accepted.id)->status ==
        PredictionStatus::starting);
  fixture.stop();
  fixture.start();
  CHECK(fixture.interrupted == 1);
  const Result<Prediction> row = fixture.get(accepted.id);
  REQUIRE(row);
  CHECK(row->status == PredictionStatus::failed);
  CHECK(row->error->code == ErrorCode::interrupted);
  CHECK(ReaderDatabase::open(fixture.home.database().string())->check_ledger());
}

TEST_CASE("what is refused leaves nothing behind") {
  ServiceFixture fixture;
  const auto code = [&](Json input, const std::string& version) {
    CreatePrediction request;
    request.version = version;
    request.input = std::move(input);
    const auto created = fixture.ask<Prediction>(
        [&](Callback<Prediction> done) { fixture.service->create(request, std::move(done)); });
    REQUIRE_FALSE(created);
    return created.error().code;
  };
  CHECK(code({{"text", "x"}}, "no such ref!") == ErrorCode::reference_invalid);
  CHECK(code({{"text", "x"}}, "test/other") == ErrorCode::model_not_found);
  CHECK(code({{"txet", "x"}}, "test/echo") == ErrorCode::input_unknown);
  CHECK(code(Json::object(), "test/echo") == ErrorCode::input_missing);
  CHECK(code({{"text", 5}}, "test/echo") == ErrorCode::input_type);
  fake_runner().refusal = fail(ErrorCode::queue_full, "full").value();
  CHECK(code({{"text", "x"}}, fixture.version) == ErrorCode::queue_full);
  CHECK(fake_runner().submitted.empty());
  CHECK(fixture.service->status()["active"] == 0);
  CHECK(ReaderDatabase::open(fixture.home.database().string())->list("", 10)->predictions.empty());
}

TEST_CASE("a version is found by its name, its digits, or the first eight of them") {
  ServiceFixture fixture;
  for (const std::string& version : {std::string("test/echo"), "test/echo:" + fixture.version,
                                     fixture.version, fixture.version.substr(0, 8)}) {
    CreatePrediction request;
    request.version = version;
    request.input = {{"text", "x"}};
    const auto created = fixture.ask<Prediction>(
        [&](Callback<Prediction> done) { fixture.service->create(request, std::move(done)); });
    REQUIRE_MESSAGE(created, version);
    CHECK(created->version == fixture.version);
  }
}

TEST_CASE("followers get every event in order, wherever they join, and the same from the database") {
  ServiceFixture fixture;
  const Prediction accepted = fixture.must_create({{"text", "hi"}});
  const RunKey key = fake_runner().last();
  std::vector<Event> early;
  auto subscription =
      fixture.service->follow(accepted.id, 0, [&early](const Event& event) { early.push_back(event); });
  REQUIRE(subscription);
  fake_runner().listener->on_phase(key, Phase::spawn);
  fake_runner().listener->on_started(key);
  CHECK(early.empty()); // an event shows the id, so its row comes first
  fixture.run_until([&] { return early.size() == 3; });
  CHECK(ReaderDatabase::open(fixture.home.database().string())->get(accepted.id));
  fixture.output_text(key, "hi");
  CHECK(early.size() == 4); // live from now on
  CHECK(fixture.end(accepted.id, key));
  fixture.run_until([&] { return early.size() == 5; });
  CHECK(types(early) == "queued phase started output done");
  for (std::size_t i = 0; i < early.size(); ++i)
    CHECK(early[i].seq == i + 1);
  CHECK(early[1].data == Json{{"phase", "spawn"}});
  CHECK(early[4].data == Json{{"id", accepted.id}, {"status", "succeeded"}});

  CHECK(types(fixture.events(accepted.id)) == "queued phase started output done");
  CHECK(types(fixture.events(accepted.id, 3)) == "output done");
  fixture.stop();
  fixture.start();
  const std::vector<Event> stored = fixture.events(accepted.id);
  REQUIRE(stored.size() == 5);
  for (std::size_t i = 0; i < stored.size(); ++i) {
    CHECK(stored[i].seq == early[i].seq);
    CHECK(stored[i].wall_ns == early[i].wall_ns);
    CHECK(stored[i].data == early[i].data);
  }
  CHECK_FALSE(fixture.service->follow("nonsense", 0, [](const Event&) {}));
}

TEST_CASE("a subscription that is dropped hears nothing more, even from inside its callback") {
  ServiceFixture fixture;
  const Prediction accepted = fixture.must_create({{"text", "hi"}}, true);
  const RunKey key = fake_runner().last();
  int heard = 0;
  std::unique_ptr<Subscription> own;
  own = *fixture.service->follow(accepted.id, 0, [&](const Event&) {
    ++heard;
    own.reset();
  });
  int waited = 0;
  fixture.when_done(accepted.id, [&](const Result<Prediction>&) { ++waited; }).reset();
  fixture.output_text(key, "x");
  fixture.output_text(key, "y");
  CHECK(fixture.end(accepted.id, key));
  CHECK(heard == 1);
  CHECK(waited == 0);
}

TEST_CASE("cancel, abandon and make_durable") {
  ServiceFixture fixture;
  const Prediction first = fixture.must_create({{"text", "a"}});
  const RunKey first_key = fake_runner().last();
  const auto cancelled = fixture.ask<Prediction>(
      [&](Callback<Prediction> done) { fixture.service->cancel(first.id, std::move(done)); });
  REQUIRE(cancelled);
  CHECK_FALSE(is_terminal(cancelled->status));
  CHECK(fake_runner().cancelled == std::vector<RunKey>{first_key});
  const auto ended = fixture.end(
      first.id, first_key, FakeRunner::failure(PredictionStatus::canceled, ErrorCode::cancelled, "canceled"));
  CHECK(ended->status == PredictionStatus::canceled);
  const auto again = fixture.ask<Prediction>(
      [&](Callback<Prediction> done) { fixture.service->cancel(first.id, std::move(done)); });
  CHECK(again->status == PredictionStatus::canceled);
  CHECK(fake_runner().cancelled.size() == 1);

  const Prediction second = fixture.must_create({{"text", "b"}});
  fixture.service->abandon(second.id);
  CHECK(fake_runner().cancelled.back() == fake_runner().last());
  const Prediction third = fixture.must_create({{"text", "c"}});
  const auto durable = fixture.ask<Prediction>(
      [&](Callback<Prediction> done) { fixture.service->make_durable(third.id, std::move(done)); });
  REQUIRE(durable);
  CHECK(ReaderDatabase::open(fixture.home.database().string())->get(third.id));
  fixture.service->abandon(third.id);
  CHECK(fake_runner().cancelled.size() == 2);
  fixture.service->abandon("unknown");
  CHECK(fixture.get(new_prediction_id(1)).error().code == ErrorCode::prediction_not_found);
  CHECK(fixture.get("../etc").error().code == ErrorCode::prediction_not_found);
}

TEST_CASE("an end is not shown before it is committed") {
  ServiceFixture fixture;
  const Prediction accepted = fixture.must_create({{"text", "a"}}, true);
  fake_runner().end(fake_runner().last(), FakeRunner::success());
  CHECK_FALSE(is_terminal(fixture.get(accepted.id)->status));
  const auto done = fixture.wait<Prediction>(
      [&](Callback<Prediction> callback) { return fixture.when_done(accepted.id, std::move(callback)); });
  CHECK(done->status == PredictionStatus::succeeded);
}

TEST_CASE("a failure tells its error, its log and its last lines, without secrets") {
  ServiceFixture fixture("inputs:\n  text: {type: string}\n  key: {type: secret}\noutput: {type: string}\n");
  const Prediction accepted = fixture.must_create({{"text", "a"}, {"key", "hunter22"}});
  CHECK(accepted.input["key"] == "[secret]");
  const RunKey key = fake_runner().last();
  CHECK(fake_runner().requests[key].input["key"] == "hunter22");
  fake_runner().listener->on_log(key, "error", "bad key hunter22!");
  RunOutcome outcome =
      FakeRunner::failure(PredictionStatus::failed, ErrorCode::prediction_failed, "hunter22 is wrong");
  outcome.log_path = "/logs/w.log";
  outcome.last_log_lines = {"Traceback hunter22"};
  const auto ended = fixture.end(accepted.id, key, std::move(outcome));
  CHECK(ended->error->message == "[secret] is wrong");
  CHECK(ended->logs == "bad key [secret]!\n");
  CHECK(ended->last_log_lines == std::vector<std::string>{"Traceback [secret]"});
  CHECK(ended->log_path == "/logs/w.log");
  fixture.stop();
  std::string all;
  for (const char* name : {"mrun.db", "mrun.db-wal"}) {
    std::ifstream file(fixture.home.state / name, std::ios::binary);
    all.append(std::istreambuf_iterator<char>(file), {});
  }
  CHECK(all.find("[secret]") != std::string::npos);
  CHECK(all.find("hunter22") == std::string::npos);
}

TEST_CASE("logs, outputs and metrics have limits") {
  ServiceFixture fixture;
  const Prediction accepted = fixture.must_create({{"text", "a"}});
  const RunKey key = fake_runner().last();
  for (int i = 0; i < 20; ++i)
    fake_runner().listener->on_log(key, "info", std::string(100'000, 'x'));
  for (int i = 0; i < 1000; ++i)
    fake_runner().listener->on_metric(key, "m" + std::to_string(i), i);
  fixture.output_text(key, std::string(k_max_output_bytes, 'x'));
  CHECK(fake_runner().cancelled.empty());
  fixture.output_text(key, "y");
  CHECK(fake_runner().cancelled == std::vector<RunKey>{key});
  const auto ended = fixture.end(
      accepted.id, key, FakeRunner::failure(PredictionStatus::canceled, ErrorCode::cancelled, "canceled"));
  CHECK(ended->status == PredictionStatus::failed);
  CHECK(ended->error->code == ErrorCode::output_limit);
  CHECK(ended->logs.size() <= k_max_log_bytes + 200);
  CHECK(ended->logs.find("keeps no more of this log") != std::string::npos);
  CHECK(ended->metrics.size() < k_max_metrics + 20);
}

TEST_CASE("draining refuses what is new and ends when all is committed") {
  ServiceFixture fixture;
  const Prediction accepted = fixture.must_create({{"text", "a"}}, true);
  fixture.service->shut_down();
  fixture.service->shut_down();
  CHECK(fixture.service->draining());
  CHECK(fixture.service->status()["draining"] == true);
  CHECK(fixture.create({{"text", "b"}}).error().code == ErrorCode::draining);
  CHECK(fixture.service->begin_upload().error().code == ErrorCode::draining);
  fake_runner().end(fake_runner().last(),
                    FakeRunner::failure(PredictionStatus::aborted, ErrorCode::aborted, "stopped"));
  fake_runner().drain_done();
  CHECK_FALSE(fixture.drained);
  fixture.run_until([&] { return fixture.drained; });
  CHECK(fixture.get(accepted.id)->status == PredictionStatus::aborted);
}

TEST_CASE("the own rate and its reference reach the metrics and the ledger") {
  ServiceFixture fixture;
  fixture.stop();
  fixture.rate = OwnRate{*Money::parse("3.6", ErrorCode::internal), "instance_h", "EUR", {}, {}};
  fixture.start();
  const Prediction accepted = fixture.must_create({{"text", "a"}});
  const auto ended = fixture.end(accepted.id, fake_runner().last());
  CHECK(ended->metrics["cost"]["amount"] == "0.000005");
  CHECK(ended->metrics["cost"]["currency"] == "EUR");
  CHECK(ended->metrics["cost_reason"].is_null());
  fixture.stop();
  Sqlite connection = *Sqlite::open(fixture.home.database().string(), true);
  CHECK(*connection.integer("SELECT amount_pico FROM ledger") == 5'000'000);
}

TEST_CASE("a failed write stops admission until a write succeeds") {
  ServiceFixture fixture;
  // Another connection makes the table refuse, which stands for a disk that does.
  Sqlite other = *Sqlite::open(fixture.home.database().string(), false);
  REQUIRE(other.execute(
      "CREATE TRIGGER broken BEFORE INSERT ON predictions BEGIN SELECT raise(ABORT, 'broken'); END;"
      "CREATE TRIGGER broken_too BEFORE INSERT ON meta BEGIN SELECT raise(ABORT, 'broken'); END"));
  CHECK(fixture.create({{"text", "a"}}, true).error().code == ErrorCode::database);
  CHECK(fake_runner().cancelled.size() == 1); // it may have begun; it is stopped, and was never acknowledged
  const std::size_t submitted = fake_runner().submitted.size();
  CHECK(fixture.create({{"text", "b"}}).error().code == ErrorCode::database);
  CHECK(fake_runner().submitted.size() == submitted); // nothing runs unbilled
  CHECK(fixture.service->status()["database_error"].is_string());
  REQUIRE(other.execute("DROP TRIGGER broken; DROP TRIGGER broken_too"));
  CHECK(fixture.create({{"text", "c"}}, true));
  CHECK(fixture.service->status()["database_error"].is_null());
}

TEST_CASE("no id is acknowledged whose row was never written") {
  ServiceFixture fixture;
  const Prediction accepted = fixture.must_create({{"text", "a"}});
  const RunKey key = fake_runner().last();
  Sqlite other = *Sqlite::open(fixture.home.database().string(), false);
  REQUIRE(other.execute(
      "CREATE TRIGGER broken BEFORE INSERT ON predictions BEGIN SELECT raise(ABORT, 'broken'); END"));
  const auto make_durable = [&] {
    return fixture.ask<Prediction>(
        [&](Callback<Prediction> done) { fixture.service->make_durable(accepted.id, std::move(done)); });
  };
  // The follower asks for the row, which fails before make_durable() would mark it.
  int heard = 0;
  std::vector<ErrorCode> broken;
  const auto follow = [&] {
    return fixture.service->follow(
        accepted.id, 0, [&](const Event&) { ++heard; },
        [&](const Error& error) { broken.push_back(error.code); });
  };
  const auto following = follow();
  CHECK(make_durable().error().code == ErrorCode::database);
  CHECK(broken == std::vector{ErrorCode::database});
  const auto until_the_end = follow();
  // So does its end; whoever waits hears of it, and the end is tried again.
  CHECK(fixture.end(accepted.id, key).error().code == ErrorCode::database);
  CHECK(broken == std::vector{ErrorCode::database, ErrorCode::database});
  CHECK(heard == 0);
  CHECK(make_durable().error().code == ErrorCode::database);
  CHECK_FALSE(is_terminal(fixture.get(accepted.id)->status));
  REQUIRE(other.execute("DROP TRIGGER broken"));
  fixture.run_until([&] { return is_terminal(fixture.get(accepted.id)->status); });
  CHECK(make_durable());
  CHECK(ReaderDatabase::open(fixture.home.database().string())->get(accepted.id));
}

TEST_CASE("a page leaves out what predictions under way have given when it would grow too large") {
  ServiceFixture fixture;
  const auto list = [&] {
    return fixture.ask<PredictionPage>(
        [&](Callback<PredictionPage> done) { fixture.service->list("", 100, std::move(done)); });
  };
  const Prediction stored = fixture.must_create({{"text", "a"}}, true);
  fake_runner().listener->on_started(fake_runner().last());
  fixture.output_text(fake_runner().last(), "short");
  REQUIRE(list()->predictions.size() == 1);
  CHECK(list()->predictions[0].output == "short");
  fixture.output_text(fake_runner().last(), std::string(k_page_bytes, 'x'));
  REQUIRE(list()->predictions.size() == 1);
  CHECK(list()->predictions[0].status == PredictionStatus::processing);
  CHECK(list()->predictions[0].output.is_null());
  for (int i = 0; i < 2; ++i) { // without a row
    fixture.must_create({{"text", "b"}});
    fixture.output_text(fake_runner().last(), std::string(k_page_bytes / 2, 'x'));
  }
  CHECK(list()->predictions.size() == 2);
}

TEST_CASE("models and versions in Replicate's shapes") {
  ServiceFixture fixture;
  const auto model_json = [&](const std::string& owner, const std::string& name) {
    return fixture.ask<Json>(
        [&](Callback<Json> done) { fixture.service->model_json(owner, name, std::move(done)); });
  };
  const auto version_json = [&](const std::string& name, const std::string& id) {
    return fixture.ask<Json>(
        [&](Callback<Json> done) { fixture.service->version_json("test", name, id, std::move(done)); });
  };
  const Result<Json> model = model_json("test", "echo");
  REQUIRE(model);
  CHECK((*model)["latest_version"]["id"] == fixture.version);
  CHECK((*model)["run_count"] == 0);
  CHECK((*model)["latest_version"]["openapi_schema"]["components"]["schemas"].contains("Input"));
  CHECK(fixture.ask<Json>([&](Callback<Json> done) { fixture.service->list_models_json(std::move(done)); })
            ->size() == 1);
  CHECK(version_json("echo", fixture.version));
  CHECK(version_json("other", fixture.version).error().code == ErrorCode::model_not_found);
  CHECK_FALSE(version_json("echo", "short"));
  CHECK(model_json("test", "other").error().code == ErrorCode::model_not_found);
  CHECK(fixture.service->ps()["schema"] == "mrun.ps/v1");
  CHECK(fixture.ask<std::size_t>([&](Callback<std::size_t> done) {
    fixture.service->stop_model("test/echo", false, std::move(done));
  }) == 1U);
  fixture.service->prepare();
  CHECK(fake_runner().prepared);
}

namespace {

Json page_of(ServiceFixture& fixture, const QueryPairs& pairs = {}) {
  auto query = parse_prediction_page(pairs);
  REQUIRE_MESSAGE(query, query.error().message);
  Result<Json> page =
      fixture.ask<Json>([&](Callback<Json> done) { fixture.service->list_rows(*query, std::move(done)); });
  REQUIRE_MESSAGE(page, page.error().message);
  return std::move(*page);
}

} // namespace

TEST_CASE("rows are of predictions under way and ended, newest first, by filter and in pages") {
  ServiceFixture fixture;
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.insert(ids.begin(), fixture.must_create({{"text", "hi"}}, i % 2 == 0).id);
    if (i == 1)
      REQUIRE(fixture.end(ids.front(), fake_runner().last(),
                          FakeRunner::failure(PredictionStatus::failed, ErrorCode::prediction_failed, "no")));
    else if (i < 4)
      REQUIRE(fixture.end(ids.front(), fake_runner().last()));
  }
  const Json all = page_of(fixture);
  CHECK(all["schema"] == "mrun.predictions/v1");
  CHECK(all["next"].is_null());
  std::vector<std::string> listed;
  for (const Json& row : all["predictions"]) {
    listed.push_back(row["id"]);
    CHECK(row.size() == 15);
    CHECK_FALSE(row.contains("input"));
  }
  CHECK(listed == ids);
  CHECK(all["predictions"][0]["status"] == "starting"); // synchronous: without a row
  CHECK(all["predictions"][0]["cost"]["reason"] == "it has not ended");
  CHECK(all["predictions"][1]["predict_ns"] == 5'000'000);
  const Json failed = page_of(fixture, {{"status", "failed"}});
  REQUIRE(failed["predictions"].size() == 1);
  CHECK(failed["predictions"][0]["error"] ==
        Json({{"code", "M1401"}, {"class", "prediction_failed"}, {"message", "no"}}));
  CHECK(page_of(fixture, {{"status", "starting"}})["predictions"].size() == 1);
  CHECK(page_of(fixture, {{"model", "test/other"}})["predictions"].empty());
  CHECK(page_of(fixture, {{"until", "2020-01-01"}})["predictions"].empty());
  CHECK(page_of(fixture, {{"since", "2020-01-01"}, {"version", fixture.version.substr(0, 8)}})["predictions"]
            .size() == 5);

  std::vector<std::string> walked;
  std::string cursor;
  do {
    QueryPairs pairs = {{"limit", "2"}};
    if (!cursor.empty()) pairs.emplace_back("cursor", cursor);
    const Json page = page_of(fixture, pairs);
    for (const Json& row : page["predictions"])
      walked.push_back(row["id"]);
    cursor = page["next"].is_null() ? "" : page["next"].get<std::string>();
  } while (!cursor.empty());
  CHECK(walked == ids);
  fixture.end(ids.front(), fake_runner().last());
}
