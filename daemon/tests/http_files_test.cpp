// Uploads and downloads.
#include <doctest/doctest.h>

#include "daemon/tests/http_harness.h"

using namespace mrun;

namespace {

std::string part(std::string_view disposition, std::string_view body) {
  return fmt::format("--XX\r\nContent-Disposition: form-data; {}\r\n\r\n{}\r\n", disposition, body);
}

std::string upload(std::string_view form,
                   std::string_view content_type = "multipart/form-data; boundary=XX") {
  return fmt::format(
      "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
      content_type, form.size(), form);
}

} // namespace

TEST_CASE("an upload arrives whole, and its object is Replicate's") {
  HttpHarness harness;
  std::string bytes;
  for (std::size_t i = 0; i < 3'000'000; ++i)
    bytes += static_cast<char>(i * 7 % 251);
  const Answer answer =
      harness.ask(upload(part("name=\"content\"; filename=\"cat.png\"\r\nContent-Type: image/png", bytes) +
                         part("name=\"metadata\"", "{\"a\":1}") + "--XX--\r\n"));
  CHECK(answer.status == 201);
  CHECK((harness.service.uploaded == bytes));
  CHECK(answer.body ==
        R"({"checksums":{"sha256":")" + std::string(64, 'b') +
            R"("},"content_type":"image/png","created_at":"2023-11-14T22:13:20.000000Z","etag":")" +
            std::string(64, 'b') +
            R"(","expires_at":"2023-11-14T22:13:20.000000Z","id":"file1","metadata":{},"name":"cat.png",)"
            R"("size":3000000,"urls":{"download":"http://localhost/v1/files/file1/download",)"
            R"("get":"http://localhost/v1/files/file1"}})");
}

TEST_CASE("the form's own name and type win; without any there are defaults") {
  HttpHarness harness;
  CHECK(harness
            .ask(upload(part("name=type", "text/csv") + part("name=content", "1,2") +
                        part("name=filename", "t.csv") + "--XX--"))
            .json()["name"] == "t.csv");
  CHECK(harness.service.last_upload.media_type == "text/csv");
  CHECK(harness.ask(upload(part("name=content", "") + "--XX--")).json()["content_type"] ==
        "application/octet-stream");
}

TEST_CASE("forms that are refused") {
  struct Row {
    std::string request;
    int status;
  };
  const Row rows[] = {
      {upload("{}", "application/json"), 415},
      {upload("x", "multipart/form-data"), 422},
      {upload("--XX--"), 422},                                                         // no content
      {upload(part("name=content", "x")), 422},                                        // cut
      {upload(part("name=content", "x") + part("name=content", "y") + "--XX--"), 422}, // twice
      {upload(part("name=content; filename=\"a\x01\"", "x") + "--XX--"), 422},         // a control character
      {upload(part("name=content", "x") + part("name=filename", std::string(300, 'a')) + "--XX--"), 422},
      {upload(part("name=metadata", std::string(70'000, 'a')) + "--XX--"), 413},
      {"POST /v1/files HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=XX\r\n"
       "Content-Length: 200000000\r\n\r\n",
       413},
  };
  HttpHarness harness;
  for (const Row& row : rows) {
    CAPTURE(row.request.substr(0, 300));
    CHECK(harness.ask(row.request).status == row.status);
  }
  CHECK(harness.service.uploaded.empty());
}

TEST_CASE("a caller that leaves in the middle of an upload leaves nothing") {
  HttpHarness harness;
  auto client = harness.connect();
  client.send(upload(part("name=content", "x") + "--XX--").substr(0, 200));
  client.close();
  REQUIRE(harness.run_until([&] { return harness.server->connections() == 0; }));
  CHECK(harness.service.uploaded.empty());
}

TEST_CASE("files are shown, sent and removed") {
  HttpHarness harness;
  harness.ask(upload(part("name=content", "x") + "--XX--"));
  CHECK(harness.ask(HttpHarness::get("/v1/files/file1")).json()["id"] == "file1");
  CHECK(harness.ask(HttpHarness::get("/v1/files/none")).status == 404);
  const Json page = harness.ask(HttpHarness::get("/v1/files")).json();
  REQUIRE(page["results"].size() == 1);
  CHECK(page["results"][0] == harness.ask(HttpHarness::get("/v1/files/file1")).json());
  CHECK(page["previous"].is_null());
  CHECK(page["next"].get<std::string>().ends_with("/v1/files?cursor=c2"));
  CHECK(harness.ask(HttpHarness::get("/v1/files?cursor=c2")).json()["next"].is_null());
  CHECK(harness.ask(HttpHarness::get("/v1/files?cursor=bad")).status == 400);
  const Answer sent = harness.ask(HttpHarness::get("/v1/files/file1/download"));
  CHECK(sent.body == "file bytes");
  CHECK(sent.header("X-Content-Type-Options") == "nosniff");
  CHECK(harness.ask(HttpHarness::get("/v1/files/none/download")).status == 404);
  CHECK(harness.ask("DELETE /v1/files/none HTTP/1.1\r\nHost: a\r\n\r\n").status == 404);
  auto client = harness.connect();
  const Answer removed = client.ask("DELETE /v1/files/file1 HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(removed.status == 204);
  CHECK(removed.header("Content-Length").empty());
  CHECK(client.ask(HttpHarness::get("/healthz")).status == 200);
}
