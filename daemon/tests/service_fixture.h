// A service over a real store, a real database and a fake runner, in a folder of its own.
#pragma once

#include <fstream>
#include <memory>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include "daemon/service/make_service.h"
#include "daemon/state/reader_database.h"
#include "daemon/tests/fake_runner.h"
#include "daemon/tests/state_fixture.h"
#include "packager/pack.h"

namespace mrun::testing {

class ServiceFixture {
 public:
  // The manifest's inputs and output, as YAML; "" for a text input `text` and a text output.
  explicit ServiceFixture(const std::string& shape = "") {
    home.state = folder.path() / "state";
    home.data = folder.path() / "data";
    home.cache = folder.path() / "cache";
    std::filesystem::create_directories(home.state);
    Result<Store> opened = Store::open(home.data);
    REQUIRE_MESSAGE(opened, opened.error().message);
    store.emplace(std::move(*opened));
    pack(shape.empty() ? "inputs:\n  text: {type: string}\noutput: {type: string}\n" : shape);
    start();
  }

  void pack(const std::string& shape) {
    const std::filesystem::path model = folder.path() / "model";
    std::filesystem::create_directories(model);
    std::ofstream(model / "mrun.yaml")
        << "mrun: 1\nname: test/echo\ndescription: a test\nlicense: Apache-2.0\nengine: echo\n"
        << shape;
    const Result<PackResult> packed = pack_directory(*store, model, PackOptions());
    REQUIRE_MESSAGE(packed, packed.error().message);
    version = packed->digest.hex();
  }

  // As a daemon does at start; again after stop().
  void start() {
    Result<WriterDatabase> database = WriterDatabase::open(home.database().string(), "test");
    REQUIRE_MESSAGE(database, database.error().message);
    interrupted = *database->fail_interrupted(system_clock().wall_ns());
    ServiceConfig config;
    config.home = home;
    config.own_rate = rate;
    config.build = "test";
    config.on_drained = [this] { drained = true; };
    auto made = make_prediction_service(io, std::move(config), *store, std::move(*database));
    REQUIRE_MESSAGE(made, made.error().message);
    service = std::move(*made);
  }
  void stop() { service.reset(); }

  // Runs the loop until `done` is true; every test ends on its own event, not on time.
  void run_until(const std::function<bool()>& done) {
    while (!done())
      REQUIRE(io.run_one_for(std::chrono::seconds(20)) == 1);
  }

  // Waits for the answer of a call that takes a callback.
  template<class T, class Call>
  Result<T> wait(Call call) {
    auto answer = std::make_shared<std::unique_ptr<Result<T>>>(); // shared with the callback
    [[maybe_unused]] const auto kept = call(Callback<T>(
        [answer](Result<T> result) { *answer = std::make_unique<Result<T>>(std::move(result)); }));
    run_until([&] { return *answer != nullptr; });
    return std::move(**answer);
  }
  template<class T, class Call>
  Result<T> ask(Call call) {
    return wait<T>([&](Callback<T> done) {
      call(std::move(done));
      return 0;
    });
  }

  Result<Prediction> create(Json input, bool durable = false) {
    CreatePrediction request;
    request.version = "test/echo";
    request.input = std::move(input);
    request.durable_first = durable;
    return ask<Prediction>([&](Callback<Prediction> done) { service->create(request, std::move(done)); });
  }
  Prediction must_create(Json input, bool durable = false) {
    Result<Prediction> created = create(std::move(input), durable);
    REQUIRE_MESSAGE(created, created.error().message);
    return std::move(*created);
  }
  Result<Prediction> get(const std::string& id) {
    return ask<Prediction>([&](Callback<Prediction> done) { service->get(id, std::move(done)); });
  }
  Result<Prediction> end(const std::string& id, RunKey key, RunOutcome outcome = FakeRunner::success()) {
    return wait<Prediction>([&](Callback<Prediction> done) {
      auto subscription = when_done(id, std::move(done));
      fake_runner().end(key, std::move(outcome));
      return subscription;
    });
  }
  std::unique_ptr<Subscription> when_done(const std::string& id, Callback<Prediction> done) {
    return service->when_done(id, [done = std::move(done)](const Result<PredictionPtr>& ended) {
      done(ended ? Result<Prediction>(**ended) : tl::unexpected<Error>(ended.error()));
    });
  }
  // All events, until `done` has come.
  std::vector<Event> events(const std::string& id, std::uint64_t after = 0) {
    std::vector<Event> all;
    auto subscription = service->follow(id, after, [&all](const Event& event) { all.push_back(event); });
    REQUIRE(subscription);
    CHECK(all.empty()); // never before it has returned
    run_until([&] { return !all.empty() && all.back().type == EventType::done; });
    return all;
  }
  void output_text(RunKey key, const std::string& text) {
    RunOutput output;
    output.kind = RunOutput::Kind::text;
    output.text = text;
    fake_runner().listener->on_output(key, std::move(output));
  }
  void output_json(RunKey key, Json value) {
    RunOutput output;
    output.value = std::move(value);
    fake_runner().listener->on_output(key, std::move(output));
  }
  void output_file(RunKey key, std::string_view bytes, const std::string& media_type,
                   const std::string& name) {
    RunOutput output;
    output.kind = RunOutput::Kind::file;
    output.small_file = std::string(bytes);
    output.media_type = media_type;
    output.name = name;
    fake_runner().listener->on_output(key, std::move(output));
  }

  TempFolder folder;
  HomePaths home;
  std::optional<OwnRate> rate;
  std::optional<Store> store;
  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  std::string version;
  std::size_t interrupted = 0;
  bool drained = false;
  std::unique_ptr<PredictionService> service;
};

} // namespace mrun::testing
