// Who is let in over TCP: host, origin, token and scope, without a socket.
#include <doctest/doctest.h>

#include "daemon/endpoints/endpoints.h"
#include "daemon/http/caller.h"
#include "daemon/tests/http_fake_service.h"

using namespace mrun;

namespace {

const DoorRules k_tcp{true, {"127.0.0.1:8000", "localhost:8000"}};

Request request_of(std::vector<std::pair<std::string, std::string>> headers) {
  Request request;
  request.headers = std::move(headers);
  request.base_url = "http://" + std::string(request.header("host"));
  return request;
}

ErrorCode origin_error(std::vector<std::pair<std::string, std::string>> headers) {
  const Result<void> checked = check_origin(request_of(std::move(headers)), k_tcp);
  return checked ? ErrorCode::usage : checked.error().code; // which it never is
}

std::string with_scope(FakeService& service, TokenScope scope) {
  const std::string text = new_token_text();
  REQUIRE(service.tokens.make({std::string(scope_name(scope)), scope, std::nullopt}, text,
                              FakeService::k_created_ns));
  return text;
}

} // namespace

TEST_CASE("Host is the address itself, exactly") {
  CHECK(check_origin(request_of({{"host", "127.0.0.1:8000"}}), k_tcp));
  CHECK(check_origin(request_of({{"host", "LocalHost:8000"}}), k_tcp));
  for (const char* host :
       {"", "evil.example", "evil.example:8000", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8001", "localhost",
        "localhost.:8000", "0.0.0.0:8000", "[::1]:8000", "[::ffff:127.0.0.1]:8000", "127.1:8000",
        "2130706433:8000", "localhost:8000.evil.example", "xlocalhost:8000"}) {
    CAPTURE(host);
    CHECK(origin_error({{"host", host}}) == ErrorCode::host_refused);
  }
  CHECK(origin_error({}) == ErrorCode::host_refused);
}

TEST_CASE("a page of another origin is refused, whatever token it has") {
  const std::pair<std::string, std::string> host{"host", "127.0.0.1:8000"};
  CHECK(check_origin(
      request_of({host, {"origin", "http://127.0.0.1:8000"}, {"sec-fetch-site", "same-origin"}}), k_tcp));
  for (const char* origin : {"null", "http://evil.example", "http://localhost:8000", "https://127.0.0.1:8000",
                             "http://127.0.0.1:8000.evil.example", "http://127.0.0.1"}) {
    CAPTURE(origin);
    CHECK(origin_error({host, {"origin", origin}}) == ErrorCode::origin_refused);
  }
  for (const char* site : {"cross-site", "same-site"})
    CHECK(origin_error({host, {"sec-fetch-site", site}}) == ErrorCode::origin_refused);
}

TEST_CASE("a token is shown as Bearer or Token") {
  FakeService service;
  const std::string text = with_scope(service, TokenScope::read);
  const auto shown = [&](const std::string& authorization) {
    return check_caller(request_of({{"authorization", authorization}}), k_tcp, service);
  };
  for (const std::string scheme : {"Bearer ", "bearer ", "Token ", "BEARER   "}) {
    const Result<Pass> pass = shown(scheme + text);
    REQUIRE(pass);
    CHECK(pass->scope == TokenScope::read);
    CHECK_FALSE(pass->is_owner);
  }
  const std::vector<std::string> refused = {
      text, "Basic " + text, "Bearer", "Bearer ", "Bearer " + text + "0", "Bearer x" + text, "Bearer mrun_"};
  for (const std::string& wrong : refused) {
    const Result<Pass> pass = shown(wrong);
    REQUIRE_FALSE(pass);
    CHECK(pass.error().code == ErrorCode::token_invalid);
    CHECK(pass.error().message.find(text) == std::string::npos);
  }
  CHECK(check_caller(request_of({}), DoorRules(), service)->is_owner);
}

TEST_CASE("each scope reaches its routes and no other") {
  const std::vector<std::string> id = {FakeService::k_id};
  std::size_t streams = 0;
  for (const Route& route : all_routes()) {
    CAPTURE(route.pattern);
    CAPTURE(route.method);
    const auto code = [&](const Pass& pass) {
      const Result<void> checked = check_pass(pass, &route, id);
      return checked ? std::string() : error_code_text(checked.error().code);
    };
    CHECK(code({true, std::nullopt}).empty());
    const bool is_stream = route.access == Access::stream;
    streams += is_stream ? 1 : 0;
    CHECK(code({}) == (is_stream ? "" : "M1531"));
    CHECK(check_pass({}, &route, {"guess"}).error().code == ErrorCode::token_invalid);
    CHECK(code({false, TokenScope::read}) == (route.access <= Access::stream ? "" : "M1532"));
    CHECK(code({false, TokenScope::predict}) == (route.access <= Access::predict ? "" : "M1532"));
    CHECK(code({false, TokenScope::admin}) == (route.access <= Access::admin ? "" : "M1532"));
    if (route.method != "GET") CHECK(route.access >= Access::predict);
    if (route.pattern.find("token") != std::string_view::npos) CHECK(route.access == Access::owner);
  }
  CHECK(streams == 1);
  CHECK(check_pass({}, nullptr, {}).error().code == ErrorCode::token_invalid);
  CHECK(check_pass({false, TokenScope::read}, nullptr, {}));
}
