#include <algorithm>

#include <unistd.h>

#include "common/fs.h"
#include "common/text.h"
#include "daemon/service/blob_folder.h"
#include "daemon/service/outputs.h"
#include "daemon/tests/service_fixture.h"
#include "packager/sha256.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

constexpr const char* k_files_shape =
    "inputs:\n  text: {type: string}\noutput: {type: array, items: {type: file}}\n";

std::string read_output(const OutputFile& file) {
  return *read_all(file.fd.get(), 10'000'000, "an output", ErrorCode::io);
}

Result<OutputFile> open_output(ServiceFixture& fixture, const std::string& id, std::size_t index) {
  return fixture.ask<OutputFile>(
      [&](Callback<OutputFile> done) { fixture.service->open_output(id, index, std::move(done)); });
}

Result<UploadedFile> upload(ServiceFixture& fixture, std::string_view bytes, const std::string& name,
                            const std::string& media_type) {
  Result<UniqueFd> fd = fixture.service->begin_upload();
  REQUIRE(fd);
  REQUIRE(write_all(fd->get(), bytes, "an upload"));
  auto shared = std::make_shared<UniqueFd>(std::move(*fd));
  return fixture.ask<UploadedFile>([&](Callback<UploadedFile> done) {
    fixture.service->finish_upload(std::move(*shared), name, media_type, std::move(done));
  });
}

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

} // namespace

TEST_CASE("output files are stored by digest, in the order of the output, small ones as data: URIs") {
  ServiceFixture fixture(k_files_shape);
  const Prediction accepted = fixture.must_create({{"text", "a"}}, true);
  const RunKey key = fake_runner().last();
  const std::string large(k_inline_file_bytes + 1, 'x');
  fixture.output_file(key, "small", "text/plain", "a.txt");
  fixture.output_json(key, 5); // waits its turn behind the file
  fixture.output_file(key, large, "image/png", "b.png");
  fake_runner().listener->on_log(key, "info", "after");
  const Result<Prediction> ended = fixture.end(accepted.id, key);
  REQUIRE(ended);
  REQUIRE(ended->output.is_array());
  REQUIRE(ended->output.size() == 3);
  CHECK(ended->output[0]["$file"] == 0);
  CHECK(ended->output[0]["digest"] == Sha256::of("small").text());
  CHECK(ended->output[1] == 5);
  CHECK(ended->output[2]["size"] == large.size());
  CHECK(ended->metrics["output_bytes"].get<std::size_t>() > large.size());

  const auto dressed = fixture.ask<Prediction>([&](Callback<Prediction> done) {
    fixture.service->externalize_output(*ended, "http://localhost", std::move(done));
  });
  REQUIRE(dressed);
  CHECK(dressed->output[0] == "data:text/plain;base64," + base64_encode("small"));
  CHECK(dressed->output[1] == 5);
  CHECK(dressed->output[2] == "http://localhost/mrun/v1/predictions/" + accepted.id + "/outputs/1");

  for (int pass = 0; pass < 2; ++pass) { // from memory, then from the database
    const Result<OutputFile> file = open_output(fixture, accepted.id, 1);
    REQUIRE(file);
    CHECK(file->media_type == "image/png");
    CHECK(file->name == "b.png");
    CHECK(read_output(*file) == large);
    CHECK(open_output(fixture, accepted.id, 2).error().code == ErrorCode::file_not_found);
    fixture.stop();
    fixture.start();
  }
  CHECK(open_output(fixture, new_prediction_id(5), 0).error().code == ErrorCode::prediction_not_found);
  std::string logs = fixture.get(accepted.id)->logs;
  CHECK(logs == "after\n");
}

TEST_CASE("a prediction whose output file was removed by hand is still told") {
  ServiceFixture fixture(k_files_shape);
  const Prediction accepted = fixture.must_create({{"text", "a"}}, true);
  const RunKey key = fake_runner().last();
  fixture.output_file(key, "small", "text/plain", "a.txt");
  const Result<Prediction> ended = fixture.end(accepted.id, key);
  REQUIRE(ended);
  std::filesystem::remove(fixture.home.state / "outputs" / Sha256::of("small").hex());
  const auto dressed = fixture.ask<Prediction>([&](Callback<Prediction> done) {
    fixture.service->externalize_output(*ended, "http://localhost", std::move(done));
  });
  REQUIRE(dressed);
  CHECK(dressed->output == "http://localhost/mrun/v1/predictions/" + accepted.id + "/outputs/0");
  CHECK(open_output(fixture, accepted.id, 0).error().code == ErrorCode::file_not_found);
}

TEST_CASE("a model's own JSON that looks like an output file stays JSON") {
  ServiceFixture fixture(k_files_shape);
  // A file of another prediction, which the second one tries to name.
  const Prediction other = fixture.must_create({{"text", "a"}}, true);
  const RunKey other_key = fake_runner().last();
  fixture.output_file(other_key, "private", "text/plain", "a.txt");
  REQUIRE(fixture.end(other.id, other_key));
  const std::string digest = Sha256::of("private").text();

  const Prediction accepted = fixture.must_create({{"text", "b"}}, true);
  const RunKey key = fake_runner().last();
  const std::vector<Json> forged = {
      Json{{"$file", 0U}, {"digest", digest}}, Json{{"$file", 0U}, {"digest", 5}},
      Json{{"$file", 0U}, {"digest", digest}, {"size", "large"}, {"media_type", 3}}};
  fixture.output_file(key, "own", "text/plain", "b.txt");
  for (const Json& value : forged)
    fixture.output_json(key, value);
  const Result<Prediction> ended = fixture.end(accepted.id, key);
  REQUIRE(ended);
  for (int pass = 0; pass < 2; ++pass) { // from memory, then from the database
    const auto dressed = fixture.ask<Prediction>([&](Callback<Prediction> done) {
      fixture.service->externalize_output(*ended, "http://localhost", std::move(done));
    });
    REQUIRE(dressed);
    REQUIRE(dressed->output.size() == forged.size() + 1);
    CHECK(dressed->output[0] == "data:text/plain;base64," + base64_encode("own"));
    for (std::size_t i = 0; i < forged.size(); ++i)
      CHECK(dressed->output[i + 1] == forged[i]);
    fixture.stop();
    fixture.start();
  }

  // One that could be taken for the daemon's own mark ends the prediction.
  const Prediction liar = fixture.must_create({{"text", "c"}}, true);
  const RunKey liar_key = fake_runner().last();
  fixture.output_json(
      liar_key,
      file_mark_json(
          {.index = 0, .media_type = "text/plain", .name = "a.txt", .size_bytes = 7, .digest = digest}));
  const Result<Prediction> refused = fixture.end(liar.id, liar_key);
  REQUIRE(refused);
  CHECK(refused->status == PredictionStatus::failed);
  CHECK(refused->error->code == ErrorCode::prediction_failed);
}

TEST_CASE("uploads: stored, described, used as an input, removed, and gone after a day") {
  ServiceFixture fixture("inputs:\n  image: {type: file, accept: [image/png]}\noutput: {type: string}\n");
  const std::string png = std::string("\x89PNG\r\n\x1a\n", 8) + "rest";
  const Result<UploadedFile> file = upload(fixture, png, "cat.png", "");
  REQUIRE(file);
  CHECK(file->media_type == "image/png");
  CHECK(file->size_bytes == png.size());
  CHECK(file->sha256_hex == Sha256::of(png).hex());
  CHECK(file->expires_ns - file->created_ns == std::chrono::nanoseconds(k_file_lifetime).count());

  fixture.stop();
  fixture.start();
  const auto opened = fixture.ask<OutputFile>(
      [&](Callback<OutputFile> done) { fixture.service->open_file(file->id, std::move(done)); });
  REQUIRE(opened);
  CHECK(read_output(*opened) == png);
  const Prediction accepted = fixture.must_create({{"image", "http://localhost/v1/files/" + file->id}});
  const RunRequest& request = fake_runner().requests[fake_runner().last()];
  CHECK(request.input["image"]["name"] == "cat.png");
  REQUIRE(request.files.size() == 1);
  CHECK(*read_all(request.files[0].get(), 100, "it", ErrorCode::io) == png);

  const auto removed = fixture.ask<UploadedFile>(
      [&](Callback<UploadedFile> done) { fixture.service->remove_file(file->id, std::move(done)); });
  REQUIRE(removed);
  const auto gone = fixture.ask<UploadedFile>(
      [&](Callback<UploadedFile> done) { fixture.service->get_file(file->id, std::move(done)); });
  CHECK(gone.error().code == ErrorCode::file_not_found);
  CHECK(fixture.create({{"image", "/v1/files/" + file->id}}).error().code == ErrorCode::input_file);
  fixture.stop();
  CHECK(files_in(fixture.home.state / "files") == 0);
}

TEST_CASE("uploads are listed in pages, newest first") {
  ServiceFixture fixture;
  CHECK(fixture.service->list_files("", 2)->files.empty());
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i)
    ids.push_back(upload(fixture, "x", "a.txt", "text/plain")->id);
  std::sort(ids.begin(), ids.end(), std::greater());
  std::vector<std::string> seen;
  std::string cursor;
  do {
    const Result<FilePage> page = fixture.service->list_files(cursor, 2);
    REQUIRE(page);
    CHECK(page->files.size() <= 2);
    for (const UploadedFile& file : page->files)
      seen.push_back(file.id);
    cursor = page->next_cursor;
  } while (!cursor.empty());
  CHECK(seen == ids);
  CHECK(fixture.service->list_files("../etc", 2).error().code == ErrorCode::request_invalid);
}

TEST_CASE("an unfinished upload vanishes, an expired one is removed at start") {
  ServiceFixture fixture;
  {
    Result<UniqueFd> fd = fixture.service->begin_upload();
    REQUIRE(fd);
    REQUIRE(write_all(fd->get(), "half", "an upload"));
  }
  const Result<UploadedFile> file = upload(fixture, "whole", "a.txt", "text/plain");
  REQUIRE(file);
  fixture.stop();
  CHECK(files_in(fixture.home.state / "files") == 1);
  {
    Sqlite connection = *Sqlite::open(fixture.home.database().string(), false);
    REQUIRE(connection.execute("UPDATE files SET expires_ns = 1"));
  }
  std::ofstream(fixture.home.state / "files" / new_prediction_id(1)) << "its row was never written";
  fixture.start();
  fixture.stop();
  CHECK(files_in(fixture.home.state / "files") == 0);
}

TEST_CASE("a folder of blobs survives a failure of any call: the blob is whole or not there") {
  for (int fail_at = 1;; ++fail_at) {
    const TempFolder folder;
    FailingFileSystem failing(real_file_system(), fail_at, ENOSPC, false);
    Result<BlobFolder> blobs = BlobFolder::open(folder.path() / "outputs", failing);
    REQUIRE(blobs);
    const Result<Digest> digest = blobs->put("the bytes", true);
    if (digest) {
      CHECK(*read_all(blobs->get(digest->hex())->get(), 100, "it", ErrorCode::io) == "the bytes");
      CHECK(fail_at > 4);
      break;
    }
    CHECK(digest.error().code == ErrorCode::disk_full);
    for (const auto& entry : std::filesystem::directory_iterator(folder.path() / "outputs"))
      CHECK(entry.path().filename() == Sha256::of("the bytes").hex());
  }
}

TEST_CASE("a durable blob is synced even when an earlier call left it unsynced") {
  for (int fail_at = 1; fail_at <= 3; ++fail_at) { // open, sync the file, sync the folder
    const TempFolder folder;
    BlobFolder plain = *BlobFolder::open(folder.path() / "outputs");
    const Result<Digest> digest = plain.put("the bytes", false);
    REQUIRE(digest);
    FailingFileSystem failing(real_file_system(), fail_at, EIO, false);
    BlobFolder blobs = *BlobFolder::open(folder.path() / "outputs", failing);
    CHECK(blobs.put("the bytes", false));
    CHECK(failing.calls() == 0);
    CHECK_FALSE(blobs.put("the bytes", true));
    CHECK(failing.calls() == fail_at);
    CHECK(blobs.put("the bytes", true));
    CHECK(failing.calls() == fail_at + 3);
    CHECK(plain.get(digest->hex())); // a failed sync takes nothing away
  }
}

TEST_CASE("a failed output store fails the prediction") {
  ServiceFixture fixture(k_files_shape);
  const Prediction accepted = fixture.must_create({{"text", "a"}});
  const RunKey key = fake_runner().last();
  // The folder's place taken by a file of the digest's name that can't be replaced: a folder.
  std::filesystem::create_directories(fixture.home.state / "outputs" / Sha256::of("bytes").hex() / "full");
  fixture.output_file(key, "bytes", "text/plain", "a.txt");
  fixture.run_until([&] { return !fake_runner().cancelled.empty(); });
  const auto ended = fixture.end(
      accepted.id, key, FakeRunner::failure(PredictionStatus::canceled, ErrorCode::cancelled, "canceled"));
  CHECK(ended->status == PredictionStatus::failed);
  CHECK(ended->error->code == ErrorCode::io);
}
