#include <doctest/doctest.h>

#include <fstream>

#include <sys/stat.h>

#include "daemon/state/ledger_reader.h"
#include "daemon/state/reader_database.h"
#include "daemon/state/schema.h"
#include "daemon/state/writer_database.h"
#include "daemon/tests/state_fixture.h"

using namespace mrun;
using mrun::testing::finished;
using mrun::testing::new_prediction;
using mrun::testing::TempFolder;

namespace {

constexpr std::int64_t k_now = 1'700'000'000'000'000'000;

WriterDatabase open(const TempFolder& folder) {
  Result<WriterDatabase> database = WriterDatabase::open(folder.database(), "test-build");
  REQUIRE_MESSAGE(database, database.error().message);
  return std::move(*database);
}

ReaderDatabase reader(const TempFolder& folder) {
  Result<ReaderDatabase> database = ReaderDatabase::open(folder.database());
  REQUIRE_MESSAGE(database, database.error().message);
  return std::move(*database);
}

template<class T>
ErrorCode code_of(const Result<T>& result) {
  REQUIRE_FALSE(result);
  return result.error().code;
}

} // namespace

TEST_CASE("a prediction and its end are read back as they were written") {
  const TempFolder folder;
  WriterDatabase database = open(folder);
  struct stat status {};
  REQUIRE(::stat(folder.database().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);

  const Prediction prediction = new_prediction(k_now);
  REQUIRE(database.insert(prediction, true));
  ReaderDatabase reads = reader(folder);
  Result<Prediction> open_row = reads.get(prediction.id);
  REQUIRE(open_row);
  CHECK(open_row->status == PredictionStatus::starting);
  CHECK(open_row->input == prediction.input);
  CHECK_FALSE(open_row->completed_ns);

  FinishedPrediction end = finished(prediction, PredictionStatus::failed);
  end.outputs.push_back({*Digest::parse_hex(std::string(64, 'c')), "image/png", "x.png", 7});
  REQUIRE(database.finish(end));
  Result<Prediction> row = reads.get(prediction.id);
  REQUIRE(row);
  CHECK(row->status == PredictionStatus::failed);
  CHECK(row->output == "hi");
  CHECK(row->logs == "a line\n");
  REQUIRE(row->error);
  CHECK(row->error->code == ErrorCode::prediction_failed);
  CHECK(row->error->hint == "a hint");
  CHECK(row->error->notes == std::vector<std::string>{"a note"});
  CHECK(row->metrics == end.prediction->metrics);
  CHECK(row->completed_ns == k_now + 20);

  const Result<StoredOutput> output = reads.output(prediction.id, 0);
  REQUIRE(output);
  CHECK(output->digest.hex() == std::string(64, 'c'));
  CHECK(output->media_type == "image/png");
  CHECK(code_of(reads.output(prediction.id, 1)) == ErrorCode::file_not_found);
  CHECK(code_of(reads.get(new_prediction_id(k_now))) == ErrorCode::prediction_not_found);
  CHECK(reads.check_ledger());
}

TEST_CASE("events come back numbered, with the output that stands in the row, and done last") {
  const TempFolder folder;
  WriterDatabase database = open(folder);
  const FinishedPrediction end = finished(new_prediction(k_now));
  CHECK(end.events.find("[6,\"output\"]") != std::string::npos); // not stored twice
  REQUIRE(database.finish(end));
  const Result<std::vector<Event>> events = reader(folder).events(end.prediction->id);
  REQUIRE(events);
  REQUIRE(events->size() == 4);
  CHECK((*events)[0].type == EventType::queued);
  CHECK((*events)[1].data == Json{{"value", "hi"}});
  CHECK((*events)[2].data["text"] == "a line");
  CHECK((*events)[3].type == EventType::done);
  CHECK((*events)[3].seq == 4);
  CHECK((*events)[3].data == Json{{"id", end.prediction->id}, {"status", "succeeded"}});
  CHECK(code_of(reader(folder).events(new_prediction_id(k_now))) == ErrorCode::prediction_not_found);
  CHECK_FALSE(decode_events("[[1]]", nullptr));
  CHECK_FALSE(decode_events("[[1,\"lunch\",{}]]", nullptr));
  CHECK_FALSE(decode_events("{", nullptr));
}

TEST_CASE("only a row that is there can be made durable") {
  const TempFolder folder;
  WriterDatabase database = open(folder);
  const Prediction prediction = new_prediction(k_now);
  CHECK(code_of(database.mark_durable(prediction.id)) == ErrorCode::database);
  REQUIRE(database.insert(prediction, false));
  CHECK(database.mark_durable(prediction.id));
}

TEST_CASE("the first end stands, and is billed once") {
  const TempFolder folder;
  WriterDatabase database = open(folder);
  const Prediction prediction = new_prediction(k_now);
  REQUIRE(database.insert(prediction, false));
  REQUIRE(database.finish(finished(prediction, PredictionStatus::succeeded)));
  REQUIRE(database.finish(finished(prediction, PredictionStatus::failed)));
  const Prediction unseen = new_prediction(k_now + 1); // never had a row before its end
  REQUIRE(database.finish(finished(unseen)));
  REQUIRE(database.finish(finished(unseen, PredictionStatus::canceled)));
  CHECK(reader(folder).get(prediction.id)->status == PredictionStatus::succeeded);
  CHECK(reader(folder).get(unseen.id)->status == PredictionStatus::succeeded);
  CHECK(*database.connection().integer("SELECT count(*) FROM ledger") == 2);
  CHECK(*database.connection().integer("SELECT sum(runs) FROM versions") == 2);
  CHECK(reader(folder).check_ledger());
}

TEST_CASE("a crash ends what was open, once, and bills nothing for it") {
  const TempFolder folder;
  const Prediction open_one = new_prediction(k_now);
  const Prediction ended = new_prediction(k_now + 1);
  {
    WriterDatabase database = open(folder);
    REQUIRE(database.insert(open_one, true));
    REQUIRE(database.finish(finished(ended)));
  } // no close_cleanly(): as after a kill
  {
    WriterDatabase database = open(folder);
    CHECK(*database.fail_interrupted(k_now + 5) == 1);
    CHECK(*database.fail_interrupted(k_now + 6) == 0);
  }
  WriterDatabase database = open(folder);
  CHECK(*database.fail_interrupted(k_now + 7) == 0);
  const Result<Prediction> row = reader(folder).get(open_one.id);
  REQUIRE(row);
  CHECK(row->status == PredictionStatus::failed);
  REQUIRE(row->error);
  CHECK(row->error->code == ErrorCode::interrupted);
  CHECK(row->completed_ns == k_now + 5);
  CHECK(*database.connection().integer("SELECT count(*) FROM ledger") == 2);
  CHECK(*database.connection().integer("SELECT coalesce(sum(amount_pico), 0) FROM ledger WHERE id = '" +
                                       open_one.id + "'") == 0);
  CHECK(reader(folder).check_ledger());
}

TEST_CASE("what had started when the daemon was killed costs an unknown amount, what waited costs nothing") {
  const TempFolder folder;
  const Prediction waiting = new_prediction(k_now), running = new_prediction(k_now + 1),
                   ended = new_prediction(k_now + 2);
  {
    WriterDatabase database = open(folder);
    for (const Prediction* one : {&waiting, &running, &ended})
      REQUIRE(database.insert(*one, true));
    REQUIRE(database.mark_started(running.id, k_now + 3));
    REQUIRE(database.finish(finished(ended)));
    REQUIRE(database.mark_started(ended.id, k_now + 4)); // too late: nothing changes
  }
  WriterDatabase database = open(folder);
  CHECK(*database.fail_interrupted(k_now + 5) == 2);
  const auto count = [&](const std::string& where) {
    return *database.connection().integer("SELECT count(*) FROM ledger WHERE " + where);
  };
  CHECK(count("id = '" + waiting.id + "' AND amount_pico = 0 AND reference_amount_pico = 0") == 1);
  CHECK(count("id = '" + running.id +
              "' AND amount_pico IS NULL AND reference_amount_pico IS NULL AND reason "
              "LIKE '%not known%' AND reference_reason = reason AND began_ns = " +
              std::to_string(k_now + 3)) == 1);
  CHECK(reader(folder).get(running.id)->started_ns == k_now + 3);
  CHECK(reader(folder).get(ended.id)->started_ns == ended.created_ns + 10); // as it was finished
  CHECK(reader(folder).check_ledger());
}

TEST_CASE("the ledger check finds an end without a bill and a bill without an end") {
  const TempFolder folder;
  WriterDatabase database = open(folder);
  const FinishedPrediction end = finished(new_prediction(k_now));
  REQUIRE(database.finish(end));
  REQUIRE(database.connection().execute("DELETE FROM ledger"));
  CHECK(code_of(reader(folder).check_ledger()) == ErrorCode::database_corrupt);
  REQUIRE(database.connection().execute("DELETE FROM predictions"));
  CHECK(reader(folder).check_ledger());
}

TEST_CASE("lists are pages, newest first, without gaps or repeats") {
  const TempFolder folder;
  WriterDatabase database = open(folder);
  std::vector<std::string> ids;
  for (int i = 0; i < 25; ++i) {
    const Prediction prediction = new_prediction(k_now + i / 3 * 1000); // several in the same instant
    ids.push_back(prediction.id);
    REQUIRE(database.insert(prediction, false));
  }
  ReaderDatabase reads = reader(folder);
  std::vector<std::string> seen;
  std::string cursor;
  do {
    Result<StoredPage> page = reads.list(cursor, 10);
    REQUIRE(page);
    CHECK(page->predictions.size() <= 10);
    for (const Prediction& prediction : page->predictions)
      seen.push_back(prediction.id);
    cursor = page->next_cursor;
  } while (!cursor.empty());
  CHECK(seen.size() == 25);
  std::sort(ids.begin(), ids.end(), std::greater());
  CHECK(seen == ids);
  CHECK(reads.list("", 0)->predictions.size() == 1);
  for (const char* bad : {"x", "~", "01jdfkx9c0000000000000000", "1 OR 1=1", "5-01jdfkx9c00000000000000000"})
    CHECK(code_of(reads.list(bad, 10)) == ErrorCode::request_invalid);
}

TEST_CASE("a page has a bound in bytes, and a larger row is a page of its own") {
  const TempFolder folder;
  WriterDatabase database = open(folder);
  const auto insert = [&](std::int64_t at_ns, std::size_t size_bytes) {
    Prediction prediction = new_prediction(at_ns);
    prediction.input = {{"text", std::string(size_bytes, 'x')}};
    REQUIRE(database.insert(prediction, false));
  };
  insert(k_now, 1);
  insert(k_now + 1000, k_page_bytes + 1);
  for (int i = 2; i < 5; ++i)
    insert(k_now + i * 1000, k_page_bytes / 2 - 100);
  ReaderDatabase reads = reader(folder);
  std::vector<std::size_t> lengths;
  std::string cursor;
  do {
    const Result<StoredPage> page = reads.list(cursor, 100);
    REQUIRE(page);
    CHECK((page->size_bytes <= k_page_bytes || page->predictions.size() == 1));
    lengths.push_back(page->predictions.size());
    cursor = page->next_cursor;
  } while (!cursor.empty());
  CHECK(lengths == std::vector<std::size_t>{2, 1, 1, 1});
}

TEST_CASE("the last warm and cold run of a version are remembered") {
  const TempFolder folder;
  WriterDatabase database = open(folder);
  const std::string version(64, 'b');
  CHECK(reader(folder).version_stats(version)->is_null());
  FinishedPrediction end = finished(new_prediction(k_now));
  end.cold_start = true;
  REQUIRE(database.finish(end));
  REQUIRE(database.finish(finished(new_prediction(k_now + 1))));
  REQUIRE(database.finish(finished(new_prediction(k_now + 2), PredictionStatus::failed)));
  const Result<Json> stats = reader(folder).version_stats(version);
  REQUIRE(stats);
  CHECK((*stats)["runs"] == 3);
  CHECK((*stats)["cold"]["at_ns"] == k_now + 20);
  CHECK((*stats)["warm"]["at_ns"] == k_now + 21);
  CHECK((*stats)["warm"]["total_time"] == 0.5);
  CHECK(reader(folder).run_counts()->at("test/echo") == 3);
}

TEST_CASE("uploads are kept until they are removed") {
  const TempFolder folder;
  WriterDatabase database = open(folder);
  const UploadedFile file{new_prediction_id(k_now), "cat.png", "image/png", 12,
                          std::string(64, 'd'),     k_now,     k_now + 10};
  REQUIRE(database.insert_file(file));
  const Result<std::vector<UploadedFile>> files = reader(folder).files();
  REQUIRE(files);
  REQUIRE(files->size() == 1);
  CHECK(files->front().name == "cat.png");
  CHECK(files->front().expires_ns == k_now + 10);
  REQUIRE(database.remove_file(file.id));
  CHECK(reader(folder).files()->empty());
}

TEST_CASE("migrations: from nothing, repeated, and refused when the file is newer or another program's") {
  const TempFolder folder;
  {
    Sqlite connection = *Sqlite::open(folder.database(), false);
    REQUIRE(migrate(connection, 0));
    REQUIRE(migrate(connection));
    REQUIRE(migrate(connection));
    CHECK(*connection.integer("PRAGMA user_version") == newest_schema());
    REQUIRE(connection.execute("PRAGMA user_version = 99"));
  }
  const Result<WriterDatabase> newer = WriterDatabase::open(folder.database(), "");
  CHECK(code_of(newer) == ErrorCode::database_newer);
  CHECK(newer.error().message.find("schema 99") != std::string::npos);

  const TempFolder foreign;
  {
    Sqlite connection = *Sqlite::open(foreign.database(), false);
    REQUIRE(connection.execute("CREATE TABLE songs (title TEXT)"));
  }
  CHECK(code_of(WriterDatabase::open(foreign.database(), "")) == ErrorCode::database_corrupt);
}

TEST_CASE("a file of schema 2 keeps every amount, and what it did not note is unknown") {
  const TempFolder folder;
  {
    Sqlite connection = *Sqlite::open(folder.database(), false);
    REQUIRE(migrate(connection, 2));
    REQUIRE(connection.execute(
        "INSERT INTO predictions (id, model, version, status, durable, created_ns, started_ns, input, "
        "metrics) "
        "VALUES ('01jdfkx9c00000000000000000', 'a/b', 'v', 'succeeded', 1, 5, 6, '{}', "
        "'{\"predict_time\":1.5,\"total_time\":2.25,\"cold_start\":true,\"cost\":{\"amount\":\"0.0000015\"},"
        "\"cost_reference\":{\"formula\":\"f\"}}'),"
        "('01jdfkx9c00000000000000001', 'a/b', 'v', 'failed', 1, 5, NULL, '{}', '{}');"
        "INSERT INTO ledger VALUES ('01jdfkx9c00000000000000000', 'succeeded', 9, 'cpu', 1500000000, "
        "1500000, "
        "'USD', 1000000, 'instance_s', 1500000000, '', NULL, 'USD', 7, 'instance_s', 0, 1000000000, 'who "
        "knows', "
        "'p', 'k', 'u', '2026-01-01'),"
        "('01jdfkx9c00000000000000001', 'failed', 10, '', 0, 0, '', 0, '', 0, 'interrupted: not billed', 0, "
        "'', "
        "0, '', 0, 0, 'interrupted: not billed', '', '', '', '')"));
  }
  REQUIRE(WriterDatabase::open(folder.database(), ""));
  ReaderDatabase reads = reader(folder);
  const Result<void> checked = reads.check_ledger();
  CHECK_MESSAGE(checked, checked.error().message);
  const Result<Json> page = ledger_page(reads.connection(), {});
  REQUIRE_MESSAGE(page, page.error().message);
  REQUIRE((*page)["rows"].size() == 2);
  const Json& interrupted = (*page)["rows"][0];
  CHECK(interrupted["duration_ns"].is_null());
  CHECK(interrupted["total_ns"].is_null());
  CHECK(interrupted["cost"]["rate"].is_null());
  CHECK(interrupted["cost"]["amount"] == "0");
  const Json& line = (*page)["rows"][1];
  CHECK(line["model"] == "a/b");
  CHECK(line["duration_ns"] == 1'500'000'000);
  CHECK(line["total_ns"] == 2'250'000'000);
  CHECK(line["cold_start"] == true);
  CHECK(line["cost"]["amount"] == "0.0000015");
  CHECK(line["cost"]["formula"] == "rate x predict time");
  CHECK(line["cost_reference"]["amount"].is_null());
  CHECK(line["cost_reference"]["billed_ns"].is_null());
  CHECK(line["cost_reference"]["reason"] == "who knows");
  CHECK(line["cost_reference"]["formula"] == "f");
  CHECK(line["cost_reference"]["product"] == "public");
}

TEST_CASE("a file of schema 1 keeps its predictions and its ledger") {
  const TempFolder folder;
  {
    Sqlite connection = *Sqlite::open(folder.database(), false);
    REQUIRE(migrate(connection, 1));
    REQUIRE(connection.execute(
        "INSERT INTO predictions (id, model, version, status, durable, created_ns, input) "
        "VALUES ('01jdfkx9c00000000000000000', 'a/b', 'v', 'failed', 1, 5, '{}');"
        "INSERT INTO ledger VALUES (NULL, '01jdfkx9c00000000000000000', 'failed', 6, "
        "'cpu', 8, 8, 'USD', 1000000000, 'instance_s', 8, "
        "'', 13, 'USD', 1000000000, 'instance_s', 13, 1, '', 'p', 'k', 'u', '2026-01-01')"));
  }
  REQUIRE(WriterDatabase::open(folder.database(), ""));
  CHECK(reader(folder).check_ledger());
  CHECK(reader(folder).list("", 10)->predictions.size() == 1);
  Sqlite connection = *Sqlite::open(folder.database(), true);
  CHECK(*connection.integer("SELECT count(*) FROM ledger WHERE amount_pico = 8 AND read_on = '2026-01-01'") ==
        1);
}

TEST_CASE("a damaged file is refused, naming the file and the way out") {
  const TempFolder folder;
  {
    std::ofstream(folder.database()) << "this is no database, and long enough to be looked at as one. "
                                     << std::string(4096, 'x');
  }
  const Result<WriterDatabase> text = WriterDatabase::open(folder.database(), "");
  CHECK(code_of(text) == ErrorCode::database_corrupt);
  CHECK(text.error().message.find(folder.database()) != std::string::npos);
  CHECK(text.error().hint.find("mv ") == 0);

  const TempFolder torn;
  {
    WriterDatabase database = open(torn);
    for (int i = 0; i < 300; ++i)
      REQUIRE(database.finish(finished(new_prediction(k_now + i))));
    REQUIRE(database.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  } // not clean
  {
    std::fstream file(torn.database(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 * 12);
    const std::string zeros(4096 * 8, '\x5a');
    file.write(zeros.data(), static_cast<std::streamsize>(zeros.size()));
  }
  CHECK(code_of(WriterDatabase::open(torn.database(), "")) == ErrorCode::database_corrupt);
}

TEST_CASE("a folder that is not there is an error, not a crash") {
  CHECK(code_of(WriterDatabase::open("/nowhere/mrun.db", "")) == ErrorCode::database);
  CHECK(code_of(ReaderDatabase::open("/nowhere/mrun.db")) == ErrorCode::database);
}
