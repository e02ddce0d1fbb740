// The small readers of the HTTP door: heads, queries, preferences, event ids, forms.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "daemon/http/head.h"
#include "daemon/http/multipart.h"
#include "daemon/http/prefer.h"
#include "daemon/http/reply.h"
#include "daemon/http/request.h"
#include "daemon/http/router.h"
#include "daemon/http/sse.h"

using namespace mrun;

namespace {

// What the two looks at a head say about `bytes`: "ok", "more" or the error's name.
std::string verdict(std::string_view bytes) {
  std::size_t scanned = 0;
  const auto end = find_head_end(bytes, scanned, 200);
  if (!end) return std::string(end.error().row().name);
  if (*end == 0) return "more";
  const auto checked = check_head(bytes.substr(0, *end), 4);
  return checked ? "ok" : std::string(checked.error().row().name);
}

} // namespace

TEST_CASE("heads that could mean two things are refused") {
  struct Row {
    std::string_view bytes;
    std::string_view verdict;
  };
  const Row rows[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "ok"},
      {"QUERY /v1/models HTTP/1.1\r\nHost: a\r\n\r\n", "ok"},
      {"GET / HTTP/1.0\r\n\r\n", "ok"},
      {"GET / HTTP/1.1\r\nHost: a\r\n", "more"},
      {"GET / HTTP/1.1\r\n\r\n", "request_invalid"},                          // no Host
      {"GET / HTTP/1.1\nHost: a\n\n", "request_invalid"},                     // bare LF
      {"GET / HTTP/1.1\r\nHost: a\n\r\n", "request_invalid"},                 // one bare LF
      {"GET / HTTP/1.1\rHost: a\r\n\r\n", "request_invalid"},                 // bare CR
      {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "request_invalid"},           // an empty line first
      {"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", "request_invalid"}, // folded
      {"GET / HTTP/1.1\r\nHost: a\r\n\tX: a\r\n\r\n", "request_invalid"},     // folded
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "request_invalid"},    // two hosts
      {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "request_invalid"},             // no host
      {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "request_invalid"},                 // an empty one
      {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "request_invalid"},              // space before the colon
      {"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", "request_invalid"},          // no colon
      {"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", "request_invalid"},        // no name
      {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "request_invalid"},
      {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", "request_invalid"},
      {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", "request_invalid"},
      {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999\r\n\r\n", "request_invalid"},
      {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "request_invalid"},
      {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
       "request_invalid"},
      {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "request_invalid"},
      {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "request_invalid"},  // no token
      {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "request_invalid"}, // two spaces
      {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "request_invalid"},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "request_invalid"},
      {"GET /\r\nHost: a\r\n\r\n", "request_invalid"},                  // HTTP/0.9
      {"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "request_invalid"}, // a proxy's form
      {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "request_invalid"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", "request_invalid"},
      {std::string_view("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 33), "request_invalid"},
      {"\x16\x03\x01\x02", "request_invalid"},                             // TLS
      {"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 1\r\nC: 1\r\n\r\n", "ok"}, // 4 headers
      {"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n\r\n", "request_too_large"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.bytes);
    CHECK(verdict(row.bytes) == row.verdict);
  }
  CHECK(verdict("GET /" + std::string(300, 'a')) == "request_too_large");
}

TEST_CASE("the head's end is found at any cut") {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (std::size_t cut = 0; cut < head.size(); ++cut) {
    std::size_t scanned = 0;
    CHECK(find_head_end(std::string_view(head).substr(0, cut), scanned, 200).value() == 0);
    CHECK(find_head_end(head + "rest", scanned, 200).value() == head.size());
  }
}

TEST_CASE("percent escapes and queries") {
  CHECK(percent_decode("a%20b").value() == "a b");
  CHECK(percent_decode("a+b").value() == "a+b");
  for (const char* text : {"%", "%2", "%zz", "%00", "a%2fb"}) {
    CAPTURE(text);
    CHECK_FALSE(percent_decode(text).has_value());
  }
  const auto query = parse_query("a=1&&b=x+y%3D&c&=d").value();
  REQUIRE(query.size() == 4);
  CHECK(query[1].second == "x y=");
  CHECK(query[2] == std::pair<std::string, std::string>("c", ""));
  CHECK_FALSE(parse_query("a=%g0").has_value());
}

TEST_CASE("Prefer: wait") {
  CHECK(parse_prefer_wait("wait").value().count() == 60);
  CHECK(parse_prefer_wait("wait=1").value().count() == 1);
  CHECK(parse_prefer_wait("respond-async, wait=60").value().count() == 60);
  for (const char* text : {"", "wait=0", "wait=61", "wait=", "wait=5s", "waiting", "wait=99999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_prefer_wait(text).has_value());
  }
}

TEST_CASE("Cancel-After") {
  const auto seconds = [](std::string_view text) {
    const auto parsed = parse_cancel_after(text);
    return parsed ? std::chrono::duration_cast<std::chrono::seconds>(*parsed).count() : -1;
  };
  CHECK(seconds("30") == 30);
  CHECK(seconds("30s") == 30);
  CHECK(seconds("5m") == 300);
  CHECK(seconds("1h30m45s") == 5445);
  CHECK(seconds("1h5s") == 3605);
  for (const char* text :
       {"", "4", "4s", "s", "5x", "5s5m", "1m1m", "1h30", "-5", "1.5h", "9999999999", "200h"}) {
    CAPTURE(text);
    CHECK(seconds(text) == -1);
  }
}

TEST_CASE("event ids of both dialects") {
  CHECK(parse_last_event_id("17") == 17);
  CHECK(parse_last_event_id("1690212292:17") == 17);
  for (const char* text : {"", ":", "x", "1:x", "-1", "1:2x", "99999999999999999999"}) {
    CAPTURE(text);
    CHECK(parse_last_event_id(text) == 0);
  }
}

TEST_CASE("the text of server-sent events") {
  const auto text = [](std::string_view data) {
    std::string out;
    append_sse(out, "output", "1", data);
    return out;
  };
  CHECK(text("one") == "event: output\nid: 1\ndata: one\n\n");
  CHECK(text("") == "event: output\nid: 1\ndata: \n\n");
  CHECK(text("a\nb") == "event: output\nid: 1\ndata: a\ndata: b\n\n");
  CHECK(text("a\r\nb\rc") == "event: output\nid: 1\ndata: a\ndata: b\ndata: c\n\n");
  CHECK(text("a\n") == "event: output\nid: 1\ndata: a\ndata: \n\n");
  CHECK(text("\nevent: done") == "event: output\nid: 1\ndata: \ndata: event: done\n\n");
}

TEST_CASE("file markers become links") {
  const auto linked = [](Json value) {
    link_files(value, "http://h", "ID");
    return value;
  };
  const auto mark = [](std::size_t index) {
    return file_mark_json({.index = index,
                           .media_type = "image/png",
                           .name = "x.png",
                           .size_bytes = 5,
                           .digest = "sha256:" + std::string(64, 'a')});
  };
  CHECK(linked(mark(1)) == "http://h/mrun/v1/predictions/ID/outputs/1");
  CHECK(linked(Json::array({mark(0), "x"})) ==
        Json::array({"http://h/mrun/v1/predictions/ID/outputs/0", "x"}));
  // A model's own JSON.
  for (const char* change : {R"({"digest": "sha256:"})", R"({"digest": 5})", R"({"$file": -1})",
                             R"({"more": 1})", R"({"size": "large"})", R"({"name": null})"}) {
    Json own = mark(1);
    own.merge_patch(Json::parse(change));
    CHECK(linked(own) == own);
  }
  const Json deeper = {{"image", mark(1)}};
  CHECK(linked(deeper) == deeper);
}

TEST_CASE("routes match by segment, and an encoded slash adds none") {
  const Router router({{"GET", "/a/{x}"}, {"POST", "/a/{x}"}, {"GET", "/a/{x}/b"}});
  CHECK(router.match("GET", "/a/1").params == std::vector<std::string>{"1"});
  CHECK(router.match("GET", "/a/%31").params == std::vector<std::string>{"1"});
  CHECK(router.match("GET", "/a/1/b").route->pattern == "/a/{x}/b");
  CHECK(router.match("PUT", "/a/1").allow == "GET, POST");
  for (const char* path : {"/a", "/a/", "/a/1/", "/a//b", "//a/1", "/a/1/b/c", "/a/..%2fb", "", "/"}) {
    CAPTURE(path);
    const RouteMatch match = router.match("GET", path);
    CHECK(match.route == nullptr);
    CHECK(match.allow.empty());
  }
}

TEST_CASE("a media type can't write headers") {
  Reply reply;
  reply.content_type = "text/plain\r\nSet-Cookie: a=b";
  CHECK(reply_head(reply, Framing::length, 0, true, "b") ==
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nMrun-Build: b\r\n\r\n");
}

namespace {

class Parts : public MultipartListener {
 public:
  Result<void> on_part(const MultipartPart& part) override {
    text += fmt::format("[{}|{}|{}]", part.name, part.file_name, part.content_type);
    return {};
  }
  Result<void> on_data(std::string_view bytes) override {
    text += bytes;
    return {};
  }
  std::string text;
};

// The form in pieces of `step` bytes: its parts as text, or the error's name.
std::string parse_form(std::string_view form, std::size_t step) {
  Parts parts;
  MultipartParser parser("XX", parts);
  for (std::size_t i = 0; i < form.size(); i += step)
    if (auto put = parser.put(form.substr(i, step)); !put) return std::string(put.error().row().name);
  if (auto whole = parser.finish(); !whole) return std::string(whole.error().row().name);
  return parts.text;
}

} // namespace

TEST_CASE("forms are the same in any pieces") {
  struct Row {
    std::string_view form, parts;
  };
  const Row rows[] = {
      {"--XX\r\nContent-Disposition: form-data; name=\"content\"; filename=\"a "
       "\\\"b\\\".txt\"\r\nContent-Type: text/x\r\n\r\n"
       "12\r\n--X\r\n--XY\r\r\n\r\n--XX\r\nContent-Disposition: form-data; name=m\r\n\r\n{}\r\n--XX--\r\n",
       "[content|a \"b\".txt|text/x]12\r\n--X\r\n--XY\r\r\n[m||]{}"},
      {"--XX\r\nContent-Disposition: form-data; name=\"e\"\r\n\r\n\r\n--XX--", "[e||]"},
      {"preamble\r\n--XX  \r\ncontent-disposition: form-data; name=\"e\"\r\n\r\nx\r\n--XX--epilogue",
       "[e||]x"},
      {"--XX--\r\n", ""},
      {"", "body_invalid"},
      {"--XX\r\nContent-Disposition: form-data; name=\"e\"\r\n\r\nx", "body_invalid"},
      {"--XX\r\nContent-Disposition: form-data; name=\"e\"\r\n\r\nx\r\n--XXY", "body_invalid"},
      {"--XX\r\n\r\nx\r\n--XX--", "body_invalid"},
      {"--XX\r\nnonsense\r\n\r\nx\r\n--XX--", "body_invalid"},
      {"--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--", "body_invalid"},
  };
  for (const Row& row : rows)
    for (std::size_t step = 1; step <= row.form.size() + 1; ++step) {
      CAPTURE(row.form);
      CAPTURE(step);
      CHECK(parse_form(row.form, step) == row.parts);
    }
  const std::string big_head = "--XX\r\nA: " + std::string(9000, 'a');
  CHECK(parse_form(big_head, 100) == "request_too_large");
  std::string many;
  for (int i = 0; i < 65; ++i)
    many += "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
  CHECK(parse_form(many, 1000) == "request_too_large");
  const std::string late = std::string(9000, 'a') + "\r\n--XX--\r\n";
  for (const std::size_t step : {std::size_t{1000}, late.size()})
    CHECK(parse_form(late, step) == "body_invalid");
}

TEST_CASE("boundaries") {
  CHECK(multipart_boundary("multipart/form-data; boundary=\"a b\"").value() == "a b");
  CHECK(multipart_boundary("Multipart/Form-Data; charset=x; Boundary=ab").value() == "ab");
  CHECK(multipart_boundary("application/json").error().code == ErrorCode::media_type);
  CHECK(multipart_boundary("multipart/form-data").error().code == ErrorCode::body_invalid);
  CHECK(multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'a')).error().code ==
        ErrorCode::body_invalid);
}
