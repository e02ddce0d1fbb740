// The ledger in the database: lines of workers, pages while lines are added, sums, and the invariants.
#include <doctest/doctest.h>

#include <set>

#include <fmt/format.h>

#include "daemon/state/ledger_reader.h"
#include "daemon/state/reader_database.h"
#include "daemon/state/writer_database.h"
#include "daemon/tests/state_fixture.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

constexpr std::int64_t k_now = 1'700'000'000'000'000'000; // 2023-11-14T22:13:20Z
constexpr std::int64_t k_second = 1'000'000'000;
constexpr std::int64_t k_day = 86'400 * k_second;

struct Bench {
  Bench()
      : database(*WriterDatabase::open(folder.database(), "test")),
        reads(*ReaderDatabase::open(folder.database())) {}

  // A prediction that ended at `at_ns`, at 1 USD a second unless its cost is unknown.
  std::string add(std::int64_t at_ns, std::int64_t total_ns = 20, Tags tags = {}, bool known = true,
                  PredictionStatus status = PredictionStatus::succeeded) {
    Prediction prediction = new_prediction(at_ns - 20);
    prediction.tags = std::move(tags);
    FinishedPrediction end = finished(prediction, status);
    end.ledger.total_ns = total_ns;
    if (known) {
      end.ledger.own = Charge();
      end.ledger.own.amount = Money::from_pico(10'000);
      end.ledger.own.currency = "USD";
      end.ledger.own.rate = Money::from_pico(1'000'000'000'000);
      end.ledger.own.per = "instance_s";
      end.ledger.own.billed_ns = 10;
    }
    const Result<void> written = database.finish(end);
    REQUIRE_MESSAGE(written, written.error().message);
    return prediction.id;
  }
  Json page(const QueryPairs& pairs) {
    const auto query = parse_ledger_page(pairs);
    REQUIRE_MESSAGE(query, query.error().message);
    Result<Json> read = ledger_page(reads.connection(), *query);
    REQUIRE_MESSAGE(read, read.error().message);
    return *read;
  }
  Json stats(const QueryPairs& pairs) {
    const auto query = parse_ledger_stats(pairs);
    REQUIRE_MESSAGE(query, query.error().message);
    Result<Json> read = ledger_stats(reads.connection(), *query);
    REQUIRE_MESSAGE(read, read.error().message);
    return (*read)["groups"];
  }
  std::size_t count(const QueryPairs& pairs) { return page(pairs)["rows"].size(); }
  void check() {
    const Result<void> checked = reads.check_ledger();
    CHECK_MESSAGE(checked, checked.error().message);
  }
  bool breaks(const std::string& sql) {
    REQUIRE(database.begin());
    const Result<void> done = database.connection().execute(sql.c_str());
    REQUIRE_MESSAGE(done, done.error().message);
    REQUIRE(database.commit());
    const Result<void> checked = reads.check_ledger();
    return !checked && checked.error().code == ErrorCode::database_corrupt;
  }

  TempFolder folder;
  WriterDatabase database;
  ReaderDatabase reads;
};

} // namespace

TEST_CASE("a load and the idleness of its worker are lines of their own, written once") {
  Bench bench;
  const std::string worker = new_prediction_id(k_now);
  REQUIRE(bench.database.open_stretch({LedgerKind::setup, worker_life(worker), "cause", k_now}));
  StretchRow setup = stretch(LedgerKind::setup, worker, k_now);
  setup.cause = "cause";
  setup.phases = R"({"map":1000})";
  REQUIRE(bench.database.end_stretch(setup));
  REQUIRE(bench.database.end_stretch(setup)); // tried again: the line is there
  CHECK(*bench.database.connection().integer("SELECT count(*) FROM open_stretches") == 0);

  FinishedPrediction end = finished(new_prediction(k_now + k_second));
  end.ledger.worker = worker;
  end.stretches.push_back(stretch(LedgerKind::idle, worker, k_now + 1000));
  end.idle_from = OpenStretch{LedgerKind::idle, worker_life(worker), "", k_now + 2000};
  REQUIRE(bench.database.finish(end));
  REQUIRE(bench.database.finish(end));
  CHECK(*bench.database.connection().integer("SELECT began_ns FROM open_stretches") == k_now + 2000);

  const Json rows = bench.page({})["rows"];
  REQUIRE(rows.size() == 3);
  CHECK(rows[0]["kind"] == "prediction");
  CHECK(rows[0]["worker"] == worker);
  CHECK(rows[1]["kind"] == "idle");
  CHECK(rows[1]["status"] == "used");
  CHECK(rows[1]["cost"]["amount"] == "0.000001");
  CHECK(rows[2]["kind"] == "setup");
  CHECK(rows[2]["prediction"] == "cause");
  CHECK(rows[2]["phases_ns"]["map"] == 1000);
  CHECK(rows[2]["cost_reference"]["amount"].is_null());
  CHECK(rows[2]["cost_reference"]["reason"] == "no row");
  bench.check();
}

TEST_CASE("after a crash what was open is a line whose length and cost are unknown") {
  Bench bench;
  const std::string loading = new_prediction_id(k_now), waiting = new_prediction_id(k_now + 1);
  REQUIRE(bench.database.open_stretch({LedgerKind::setup, worker_life(loading), "p", k_now}));
  REQUIRE(bench.database.open_stretch({LedgerKind::idle, worker_life(waiting), "", k_now + 7}));
  CHECK(*bench.database.fail_interrupted(k_now + k_second) == 0); // no prediction was open
  CHECK(*bench.database.fail_interrupted(k_now + k_second) == 0); // and nothing comes twice
  const Json rows = bench.page({})["rows"];
  REQUIRE(rows.size() == 2);
  for (const Json& row : rows) {
    CHECK(row["status"] == "unknown");
    CHECK(row["duration_ns"].is_null());
    CHECK(row["cost"]["amount"].is_null());
    CHECK(row["cost"]["billed_ns"].is_null());
    CHECK(row["cost"]["reason"].get<std::string>().find("killed") != std::string::npos);
    CHECK(row["worker"] == (row["kind"] == "setup" ? loading : waiting));
  }
  CHECK(bench.count({{"kind", "setup"}}) == 1);
  bench.check();
}

TEST_CASE("an unknown amount has a reason, in the table's own rules") {
  Bench bench;
  StretchRow line = stretch(LedgerKind::idle, "w", k_now);
  line.own = Charge();
  CHECK_FALSE(bench.database.end_stretch(line));
  line = stretch(LedgerKind::idle, "w", k_now);
  line.status = "succeeded"; // no idle stretch ends so
  CHECK_FALSE(bench.database.end_stretch(line));
}

TEST_CASE("filters: each narrows, none lets SQL in") {
  Bench bench;
  bench.add(k_now, 20, {{"user", "alice"}, {"feature", "a'b\"c"}});
  bench.add(k_now + k_day, 20, {{"user", "bob"}}, true, PredictionStatus::failed);
  bench.add(k_now + 2 * k_day);
  CHECK(bench.count({}) == 3);
  CHECK(bench.count({{"tag", "user=alice"}}) == 1);
  CHECK(bench.count({{"tag", "user=alice"}, {"tag", "feature=a'b\"c"}}) == 1);
  CHECK(bench.count({{"tag", "user=alice"}, {"tag", "feature=x"}}) == 0);
  CHECK(bench.count({{"tag", "nobody=alice"}}) == 0);
  CHECK(bench.count({{"status", "failed"}}) == 1);
  CHECK(bench.count({{"kind", "idle"}}) == 0);
  CHECK(bench.count({{"model", "test/echo"}}) == 3);
  CHECK(bench.count({{"model", "test/echo' OR '1'='1"}}) == 0);
  CHECK(bench.count({{"version", "bbbbbbbb"}}) == 3);
  CHECK(bench.count({{"version", "bbbbbbbc"}}) == 0);
  CHECK(bench.count({{"since", "2023-11-15"}}) == 2);
  CHECK(bench.count({{"until", "2023-11-15"}}) == 1);
  CHECK(bench.count({{"since", "2023-11-15"}, {"until", "2023-11-16T00:00:00+00:00"}}) == 1);
}

TEST_CASE("pages: no line twice, none left out, while lines are written, many in the same instant") {
  Bench bench;
  std::set<std::string> before;
  for (int i = 0; i < 57; ++i)
    before.insert(bench.add(k_now + i / 10));
  std::set<std::string> seen;
  std::string cursor;
  int pages = 0;
  do {
    QueryPairs pairs = {{"limit", "5"}};
    if (!cursor.empty()) pairs.emplace_back("cursor", cursor);
    const Json page = bench.page(pairs);
    CHECK(page["rows"].size() <= 5);
    for (const Json& row : page["rows"])
      CHECK(seen.insert(row["id"].get<std::string>()).second);
    cursor = page["next"].is_null() ? "" : page["next"].get<std::string>();
    bench.add(k_now + k_second + pages); // newer ones come
    bench.add(k_now + pages % 6);        // and some with an old time
    ++pages;
  } while (!cursor.empty());
  for (const std::string& id : before)
    CHECK(seen.contains(id));
  for (const char* bad : {"x", "1", "-", "1-", "1-x", "9999999999999999999999-01jdfkx9c00000000000000000",
                          "1-01jdfkx9c00000000000000000 OR 1=1"}) {
    LedgerPageQuery query;
    query.cursor = bad;
    const Result<Json> page = ledger_page(bench.reads.connection(), query);
    REQUIRE_FALSE(page);
    CHECK(page.error().code == ErrorCode::ledger_query);
  }
}

TEST_CASE("percentiles are exact, of what succeeded, and null where there are too few") {
  Bench bench;
  const auto total = [&] { return bench.stats({})[0]["total_ns"]; };
  for (int i = 58; i >= 1; --i)
    bench.add(k_now + i, i);
  bench.add(k_now, 1'000'000, {}, true, PredictionStatus::failed); // does not count
  CHECK(total()["n"] == 58);
  CHECK(total()["p50"] == 29);
  CHECK(total()["p95"].is_null());
  bench.add(k_now, 59);
  CHECK(total()["p95"] == 57); // rank ceil(0.95 · 59) = 57
  CHECK(total()["p99"].is_null());
  for (int i = 60; i <= 299; ++i)
    bench.add(k_now + i, i);
  CHECK(total()["p99"] == 297); // rank ceil(0.99 · 299) = 297
  CHECK(total()["p50"] == 150);
}

TEST_CASE("groups: by model, version, day and tag, kinds apart, unknown counted apart") {
  Bench bench;
  bench.add(k_now, 20, {{"user", "alice"}});
  bench.add(k_now + k_day, 20, {{"user", "bob"}});
  bench.add(k_now + k_day, 20, {{"user", "bob"}}, false);
  const std::string worker = new_prediction_id(k_now);
  REQUIRE(bench.database.end_stretch(stretch(LedgerKind::setup, worker, k_now)));
  StretchRow idle = stretch(LedgerKind::idle, worker, k_now);
  idle.own = Charge();
  idle.own.reason = "no idle rate is set";
  REQUIRE(bench.database.end_stretch(idle));

  const Json all = bench.stats({});
  REQUIRE(all.size() == 1);
  CHECK(all[0]["predictions"]["n"] == 3);
  CHECK(all[0]["cost"]["prediction"] ==
        Json{{"lines", 3}, {"unknown", 1}, {"amounts", {{"USD", "0.00000002"}}}});
  CHECK(all[0]["cost"]["setup"] == Json{{"lines", 1}, {"unknown", 0}, {"amounts", {{"USD", "0.000001"}}}});
  CHECK(all[0]["cost"]["idle"] == Json{{"lines", 1}, {"unknown", 1}, {"amounts", Json::object()}});
  CHECK(all[0]["cost"]["total"] == Json{{"lines", 5}, {"unknown", 2}, {"amounts", {{"USD", "0.00000102"}}}});
  CHECK(all[0]["cost_reference"]["prediction"]["amounts"]["USD"] == "0.0003");
  CHECK(all[0]["cost_reference"]["setup"]["unknown"] == 1);

  const Json users = bench.stats({{"by", "tag:user"}});
  REQUIRE(users.size() == 3); // nobody's, alice, bob
  CHECK(users[0]["key"].is_null());
  CHECK(users[0]["cost"]["setup"]["lines"] == 1);
  CHECK(users[1]["key"] == "alice");
  CHECK(users[2]["key"] == "bob");
  CHECK(users[2]["predictions"]["n"] == 2);
  CHECK(users[2]["cost"]["prediction"]["unknown"] == 1);
  const Json days = bench.stats({{"by", "day"}});
  REQUIRE(days.size() == 2);
  CHECK(days[0]["key"] == "2023-11-14");
  CHECK(days[1]["key"] == "2023-11-15");
  CHECK(bench.stats({{"by", "model"}})[0]["key"] == "test/echo");
  CHECK(bench.stats({{"by", "version"}, {"model", "test/echo"}})[0]["key"] == std::string(64, 'b'));
  CHECK(bench.stats({{"model", "no/body"}}).empty());
}

TEST_CASE("so many groups that a reply has no bound are refused") {
  Bench bench;
  REQUIRE(bench.database.begin());
  for (std::size_t i = 0; i <= k_max_stats_groups; ++i)
    bench.add(k_now + static_cast<std::int64_t>(i), 20, {{"n", std::to_string(i)}});
  REQUIRE(bench.database.commit());
  LedgerStatsQuery query;
  query.by = LedgerStatsQuery::By::tag;
  query.tag_key = "n";
  const Result<Json> stats = ledger_stats(bench.reads.connection(), query);
  REQUIRE_FALSE(stats);
  CHECK(stats.error().code == ErrorCode::ledger_query);
  query.by = LedgerStatsQuery::By::model; // and the connection still serves
  CHECK(ledger_stats(bench.reads.connection(), query));
}

TEST_CASE(
    "the check finds a changed amount, an overlong bill, a foreign setup line and a cost told otherwise") {
  Bench bench;
  const std::string id = bench.add(k_now);
  bench.check();
  CHECK(bench.breaks("UPDATE ledger SET amount_pico = amount_pico + 1"));
  CHECK_FALSE(bench.breaks("UPDATE ledger SET amount_pico = amount_pico - 1"));
  CHECK(bench.breaks("UPDATE ledger SET duration_ns = 9"));
  CHECK_FALSE(bench.breaks("UPDATE ledger SET duration_ns = 10"));
  CHECK(bench.breaks("UPDATE predictions SET metrics = '{\"cost\":{\"amount\":\"0.5\"}}'"));
  CHECK(bench.breaks("UPDATE predictions SET metrics = '{\"cost\":null}'"));
  CHECK_FALSE(bench.breaks("UPDATE predictions SET metrics = '{\"cost\":{\"amount\":\"0.00000001\"}}'"));
  CHECK(bench.breaks("UPDATE predictions SET tags = '{\"a\":\"b\"}'"));
  CHECK_FALSE(bench.breaks("UPDATE predictions SET tags = ''"));
  REQUIRE(bench.database.end_stretch(stretch(LedgerKind::setup, "w", k_now)));
  bench.check();
  CHECK(bench.breaks("UPDATE ledger SET worker = 'other' WHERE kind = 'setup'"));
}
