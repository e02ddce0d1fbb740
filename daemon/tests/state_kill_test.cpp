// Promise P1 at the level of the database: a process is killed while it commits; whatever it acknowledged is
// there afterwards, in exactly one terminal state, billed once.
#include <doctest/doctest.h>

#include <csignal>
#include <map>
#include <random>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "daemon/state/reader_database.h"
#include "daemon/state/writer.h"
#include "daemon/tests/state_fixture.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

constexpr std::size_t k_line_bytes = 28; // letter, id, newline
constexpr int k_kills = 25;

// Its lane's worker has waited before it and waits again from its end on.
FinishedPrediction end_of(const Prediction& prediction) {
  FinishedPrediction end = finished(prediction);
  end.ledger.worker = "worker " + std::to_string(prediction.created_ns % 8);
  end.ledger.own = Charge();
  end.ledger.own.amount = Money::from_pico(10'000);
  end.ledger.own.currency = "USD";
  end.ledger.own.rate = Money::from_pico(1'000'000'000'000);
  end.ledger.own.per = "instance_s";
  end.ledger.own.billed_ns = 10;
  Prediction told = *end.prediction;
  told.metrics["cost"] = own_charge_json(end.ledger.own);
  end.prediction = std::make_shared<const Prediction>(std::move(told));
  end.stretches.push_back(stretch(LedgerKind::idle, end.ledger.worker, prediction.created_ns));
  end.idle_from =
      OpenStretch{LedgerKind::idle, worker_life(end.ledger.worker), "", *end.prediction->completed_ns};
  return end;
}

// The child: accepts and ends predictions for ever; after each commit it writes 'A' (acknowledged) or 'E'
// (ended) and the id to the pipe.
[[noreturn]] void work(const std::string& path, int pipe) {
  Result<WriterDatabase> database = WriterDatabase::open(path, "test");
  if (!database || !database->fail_interrupted(1)) ::_exit(3);
  boost::asio::io_context io;
  [[maybe_unused]] const auto guard = boost::asio::make_work_guard(io);
  Writer writer(io, std::move(*database));
  const auto tell = [pipe](char letter, const std::string& id) {
    const std::string line = letter + id + "\n";
    if (::write(pipe, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(4);
  };
  std::function<void(int)> next = [&](int number) {
    const Prediction prediction = new_prediction(1'700'000'000'000'000'000 + number);
    writer.submit({[prediction](WriterDatabase& db) { return db.insert(prediction, true); },
                   [&, prediction, number](const Result<void>& done) {
                     if (!done) ::_exit(5);
                     tell('A', prediction.id);
                     next(number + 8);
                     writer.submit({[end = end_of(prediction)](WriterDatabase& db) { return db.finish(end); },
                                    [&, prediction](const Result<void>& ended) {
                                      if (!ended) ::_exit(6);
                                      tell('E', prediction.id);
                                    },
                                    true});
                   },
                   true});
  };
  for (int lane = 0; lane < 8; ++lane)
    next(lane);
  io.run();
  ::_exit(7);
}

struct Told {
  std::map<std::string, char> last; // id → A or E
};

void read_lines(int pipe, std::size_t lines_wanted, Told& told, std::string& rest) {
  std::size_t lines = 0;
  while (lines < lines_wanted) {
    char buffer[4096];
    const ssize_t got = ::read(pipe, buffer, sizeof buffer);
    if (got <= 0) break;
    rest.append(buffer, static_cast<std::size_t>(got));
    for (; rest.size() >= k_line_bytes; rest.erase(0, k_line_bytes), ++lines)
      told.last[rest.substr(1, k_line_bytes - 2)] = rest[0];
  }
}

} // namespace

TEST_CASE("kill -9 at random moments loses no acknowledged prediction and ends each once") {
  const TempFolder folder;
  std::mt19937 random(20261124);
  Told told;
  for (int kill = 0; kill < k_kills; ++kill) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(ends[0]);
      work(folder.database(), ends[1]);
    }
    ::close(ends[1]);
    const UniqueFd pipe(ends[0]);
    std::string rest;
    read_lines(pipe.get(), std::uniform_int_distribution<std::size_t>(1, 120)(random), told, rest);
    REQUIRE(::kill(child, SIGKILL) == 0);
    read_lines(pipe.get(), SIZE_MAX, told, rest); // what it had said before it died counts
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
  }
  Result<WriterDatabase> database = WriterDatabase::open(folder.database(), "test");
  REQUIRE(database);
  REQUIRE(database->fail_interrupted(2));
  ReaderDatabase reads = *ReaderDatabase::open(folder.database());
  CHECK(told.last.size() > k_kills);
  for (const auto& [id, letter] : told.last) {
    const Result<Prediction> row = reads.get(id);
    REQUIRE_MESSAGE(row, id);
    CHECK(is_terminal(row->status));
    if (letter == 'E') CHECK(row->status == PredictionStatus::succeeded);
  }
  const Result<void> checked = reads.check_ledger(); // each amount as it was told
  CHECK_MESSAGE(checked, checked.error().message);
  const auto count = [&database](const char* sql) { return *database->connection().integer(sql); };
  // A prediction's idle stretch and its end are there together or not at all.
  CHECK(count("SELECT count(*) FROM ledger WHERE kind = 'idle' AND status = 'used'") ==
        count("SELECT count(*) FROM ledger WHERE kind = 'prediction' AND status = 'succeeded'"));
  CHECK(count("SELECT count(*) FROM ledger WHERE kind = 'idle' AND status = 'unknown'") > 0);
  CHECK(count("SELECT count(*) FROM ledger WHERE status = 'unknown' AND (amount_pico IS NOT NULL OR "
              "duration_ns IS NOT NULL)") == 0);
  CHECK(count("SELECT count(*) FROM open_stretches") == 0);
  CHECK(*database->connection().integer(
            "SELECT count(*) FROM predictions WHERE status IN ('starting', 'processing')") == 0);
  CHECK(*database->connection().text("PRAGMA integrity_check") == "ok");
}
