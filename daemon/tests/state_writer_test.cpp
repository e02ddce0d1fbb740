#include <doctest/doctest.h>

#include <atomic>
#include <future>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <sqlite3.h>

#include "daemon/state/reader_database.h"
#include "daemon/state/writer.h"
#include "daemon/tests/state_fixture.h"

using namespace mrun;
using mrun::testing::finished;
using mrun::testing::new_prediction;
using mrun::testing::TempFolder;

namespace {

constexpr std::int64_t k_now = 1'700'000'000'000'000'000;

// A writer and its loop; run() until `count` answers came.
struct Fixture {
  TempFolder folder;
  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  std::vector<std::string> answers;
  std::optional<Writer> writer;

  Fixture() { writer.emplace(io, *WriterDatabase::open(folder.database(), "test")); }

  // Holds the writer's thread until `gate` opens, so that what is submitted meanwhile is one batch.
  void hold(std::shared_future<void> gate) {
    auto reached = std::make_shared<std::promise<void>>();
    std::future<void> is_reached = reached->get_future();
    writer->submit({[gate, reached](WriterDatabase&) -> Result<void> {
                      reached->set_value();
                      gate.wait();
                      return {};
                    },
                    [this](const Result<void>&) { answers.emplace_back("held"); }, false});
    is_reached.wait();
  }
  void submit(const std::string& name, std::function<Result<void>(WriterDatabase&)> apply,
              bool durable = false) {
    writer->submit({std::move(apply),
                    [this, name](const Result<void>& done) { answers.push_back(done ? name : name + "!"); },
                    durable});
  }
  void run_until(std::size_t count) {
    while (answers.size() < count)
      REQUIRE(io.run_one_for(std::chrono::seconds(20)) == 1);
  }
};

} // namespace

TEST_CASE("jobs that wait are one transaction, answered in order, synced when one of them asks") {
  Fixture fixture;
  std::promise<void> gate;
  fixture.hold(gate.get_future().share());
  for (int i = 0; i < 20; ++i)
    fixture.submit(
        std::to_string(i),
        [i](WriterDatabase& database) { return database.insert(new_prediction(k_now + i), i == 7); }, i == 7);
  gate.set_value();
  fixture.run_until(21);
  CHECK(fixture.answers.front() == "held");
  for (int i = 0; i < 20; ++i)
    CHECK(fixture.answers[static_cast<std::size_t>(i) + 1] == std::to_string(i));
  const Writer::Counts counts = fixture.writer->counts();
  CHECK(counts.jobs == 21);
  CHECK(counts.batches == 2);
  CHECK(counts.synced_batches == 1);
}

TEST_CASE("a job that fails is undone alone") {
  Fixture fixture;
  const Prediction twice = new_prediction(k_now);
  std::promise<void> gate;
  fixture.hold(gate.get_future().share());
  fixture.submit("first", [twice](WriterDatabase& database) { return database.insert(twice, false); });
  fixture.submit("again", [twice](WriterDatabase& database) -> Result<void> {
    MRUN_TRY(database.insert(new_prediction(k_now + 1), false)); // undone with its job
    return database.insert(twice, false);                        // the id is taken
  });
  fixture.submit("last",
                 [](WriterDatabase& database) { return database.insert(new_prediction(k_now + 2), false); });
  gate.set_value();
  fixture.run_until(4);
  CHECK(fixture.answers == std::vector<std::string>{"held", "first", "again!", "last"});
  fixture.submit("alone", [twice](WriterDatabase& database) { return database.insert(twice, false); });
  fixture.submit("well", [](WriterDatabase& database) { return database.touch(); }, true);
  fixture.run_until(6);
  CHECK(fixture.answers[4] == "alone!");
  CHECK(fixture.answers[5] == "well");
  CHECK(ReaderDatabase::open(fixture.folder.database())->list("", 10)->predictions.size() == 2);
}

TEST_CASE("a full database fails its batch, and works again when there is room") {
  Fixture fixture;
  const std::string big(3'000'000, 'x');
  fixture.submit("limit", [](WriterDatabase& database) -> Result<void> {
    MRUN_ASSIGN(const std::int64_t pages, database.connection().integer("PRAGMA page_count"));
    return database.connection().execute(("PRAGMA max_page_count = " + std::to_string(pages + 10)).c_str());
  });
  fixture.run_until(1);
  ErrorCode code = ErrorCode::internal;
  std::promise<void> gate;
  fixture.hold(gate.get_future().share());
  fixture.submit("small",
                 [](WriterDatabase& database) { return database.insert(new_prediction(k_now), false); });
  fixture.submit("big", [big, &code](WriterDatabase& database) -> Result<void> {
    Prediction prediction = new_prediction(k_now + 1);
    prediction.input["text"] = big;
    Result<void> inserted = database.insert(prediction, false);
    if (!inserted) code = inserted.error().code;
    return inserted;
  });
  gate.set_value();
  fixture.run_until(4);
  CHECK(code == ErrorCode::disk_full);
  CHECK(fixture.answers.back() == "big!");
  fixture.submit("room", [](WriterDatabase& database) {
    return database.connection().execute("PRAGMA max_page_count = 1000000");
  });
  fixture.submit(
      "retry",
      [big](WriterDatabase& database) {
        Prediction prediction = new_prediction(k_now + 2);
        prediction.input["text"] = big;
        return database.insert(prediction, true);
      },
      true);
  fixture.run_until(6);
  CHECK(fixture.answers.back() == "retry");
}

TEST_CASE("the end of the writer writes what waits and marks the file clean") {
  Fixture fixture;
  for (int i = 0; i < 500; ++i)
    fixture.submit(
        "x", [i](WriterDatabase& database) { return database.finish(finished(new_prediction(k_now + i))); });
  fixture.writer.reset();
  ReaderDatabase reads = *ReaderDatabase::open(fixture.folder.database());
  CHECK(reads.list("", 1000)->predictions.size() == 500);
  CHECK(reads.check_ledger());
  Sqlite connection = *Sqlite::open(fixture.folder.database(), true);
  CHECK(*connection.text("SELECT value FROM meta WHERE key = 'clean'") == "1");
}
