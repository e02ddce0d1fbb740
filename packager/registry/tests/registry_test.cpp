// What a registry says and a Docker config holds, read with distrust. No network here.
#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "packager/registry/auth.h"
#include "packager/registry/credentials.h"
#include "packager/registry/http.h"
#include "packager/registry/retry.h"
#include "packager/registry/url.h"
#include "packager/tests/support.h"

using namespace mrun;
using mrun::testing::Folder;
namespace fs = std::filesystem;

namespace {

fs::path write_with_mode(const Folder& folder, const std::string& name, std::string_view text,
                         fs::perms mode = fs::perms::owner_all) {
  folder.write(name, text);
  fs::permissions(folder.path / name, mode);
  return folder.path / name;
}

bool is_private(const std::string& address) {
  sockaddr_storage storage{};
  if (address.find(':') == std::string::npos) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    REQUIRE(::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1);
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    REQUIRE(::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1);
  }
  return is_private_address(reinterpret_cast<const sockaddr&>(storage));
}

} // namespace

TEST_CASE("challenges are read as RFC 9110 writes them, Bearer before Basic") {
  const auto one = parse_challenges(
      {R"(Bearer realm="https://auth.example/token",service="reg, one",scope="repository:a/b:pull,push")"});
  REQUIRE(one);
  CHECK(one->bearer);
  CHECK(one->realm == "https://auth.example/token");
  CHECK(one->service == "reg, one");
  CHECK(one->scope == "repository:a/b:pull,push");
  const auto both = parse_challenges({"Basic realm=\"x\", Bearer realm=https://a/t , service = s"});
  REQUIRE(both);
  CHECK(both->realm == "https://a/t");
  CHECK(both->service == "s");
  CHECK_FALSE(parse_challenges({"basic realm=\"Registry\""})->bearer);
  CHECK(parse_challenges({"Negotiate", "BEARER realm=\"https://a/\\\"q\""})->realm == "https://a/\"q");
  for (const char* nothing :
       {"", ",,,", "Negotiate", "Bearer", "=", "Bearer service=\"x\"", "\"\"", "Digest realm=\"x\""})
    CHECK_FALSE(parse_challenges({nothing}));
  CHECK_FALSE(parse_challenges({std::string(100'000, '"')}));
}

TEST_CASE("URLs are taken apart, resolved and compared by origin") {
  const Url url = Url::parse("https://Reg.Example:5000/v2/a/blobs/uploads/u?_state=x%3D").value();
  CHECK(url.host == "reg.example");
  CHECK(url.port == "5000");
  CHECK(url.text() == "https://reg.example:5000/v2/a/blobs/uploads/u?_state=x%3D");
  CHECK(url.resolve("/v2/b?y=1").value().text() == "https://reg.example:5000/v2/b?y=1");
  CHECK(url.resolve("https://cdn.example/x?sig=a%2Bb").value().text() == "https://cdn.example/x?sig=a%2Bb");
  CHECK(Url::parse("https://a:443/x").value().same_origin(Url::parse("https://a/y").value()));
  CHECK_FALSE(Url::parse("https://a/x").value().same_origin(Url::parse("http://a/x").value()));
  CHECK_FALSE(Url::parse("https://a/x").value().same_origin(Url::parse("https://a.b/x").value()));
  for (const char* bad : {"", "ftp://a/x", "file:///etc/passwd", "https://user:pass@a/x",
                          "https://a/\r\nX: y", "a b", "gopher://a", "https://a/\x7f"})
    CHECK_FALSE_MESSAGE(Url::parse(bad).has_value(), std::string(bad));
  CHECK(Url::parse("https://a/x?sig=secret b").error().message.find("secret") == std::string::npos);
}

TEST_CASE("plain HTTP is for this machine only, whatever a name looks like") {
  for (const char* host : {"localhost", "127.0.0.1", "127.9.8.7", "[::1]"})
    CHECK_MESSAGE(is_loopback_host(host), std::string(host));
  for (const char* host :
       {"127.evil.example", "127.0.0.1.evil.example", "127.", "localhost.example", "128.0.0.1", "", "::1"})
    CHECK_FALSE_MESSAGE(is_loopback_host(host), std::string(host));
}

TEST_CASE("addresses inside private networks are known in all their forms") {
  for (const char* address : {"127.0.0.1",
                              "10.1.2.3",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "169.254.169.254",
                              "0.0.0.0",
                              "100.64.0.1",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::1",
                              "::",
                              "fe80::1",
                              "fc00::1",
                              "fd12::1",
                              "ff02::1",
                              "::ffff:10.0.0.1",
                              "::ffff:169.254.169.254",
                              "64:ff9b::a00:1",
                              "2002:a00:1::"})
    CHECK_MESSAGE(is_private(address), address);
  for (const char* address : {"8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1", "::ffff:8.8.8.8"})
    CHECK_FALSE_MESSAGE(is_private(address), address);
}

TEST_CASE("Retry-After is seconds or a date, and bounded") {
  const auto of = [](const std::string& text) {
    return retry_after(HttpReply{.status = 429, .headers = {{"retry-after", text}}, .body = {}});
  };
  CHECK(of("3") == std::chrono::seconds(3));
  CHECK(of("99999999999999") == std::chrono::seconds(1'000'000));
  CHECK(of("0") == std::chrono::seconds(0));
  CHECK(of("Wed, 21 Oct 2015 07:28:00 GMT") == std::chrono::seconds(0));
  for (const char* bad : {"", "-3", "soon", "3 s"})
    CHECK_FALSE_MESSAGE(of(bad).has_value(), bad);
  CHECK(is_worth_retrying(HttpReply{.status = 503, .headers = {}, .body = {}}));
  CHECK_FALSE(is_worth_retrying(HttpReply{.status = 501, .headers = {}, .body = {}}));
  CHECK_FALSE(is_worth_retrying(HttpReply{.status = 404, .headers = {}, .body = {}}));
}

TEST_CASE("credentials come from the Docker config, and go there") {
  const Folder folder;
  const fs::path file =
      write_with_mode(folder, "config.json", R"({"auths":{"ghcr.io":{"auth":"bWU6c2VjcmV0OnBhcnQ="},
    "https://index.docker.io/v1/":{"auth":"aHViOnB3"},"id.example":{"identitytoken":"tok"},"empty.example":{}},"psFormat":"table"})");
  const Credentials credentials({file});
  const auto ghcr = credentials.find("ghcr.io").value();
  REQUIRE(ghcr);
  CHECK(ghcr->username == "me");
  CHECK(ghcr->secret == "secret:part");
  CHECK(credentials.find("docker.io").value()->username == "hub");
  CHECK(credentials.find("id.example").value()->kind == Credential::Kind::identity_token);
  CHECK_FALSE(credentials.find("empty.example").value());
  CHECK_FALSE(credentials.find("other.example").value());
  REQUIRE(credentials.save("localhost:5000", {Credential::Kind::password, "u", "p"}));
  CHECK(credentials.find("localhost:5000").value()->secret == "p");
  struct stat status {};
  REQUIRE(::stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  const Json kept = Json::parse(std::ifstream(file));
  CHECK(kept["psFormat"] == "table");
  CHECK(credentials.erase("localhost:5000").value());
  CHECK_FALSE(credentials.erase("localhost:5000").value());
  CHECK(credentials.save("x", {Credential::Kind::password, "u\nHost: evil", "p"}).error().code ==
        ErrorCode::credentials);
  CHECK(Credentials({write_with_mode(folder, "bad.json", "{nope")}).find("a").error().code ==
        ErrorCode::credentials);
  CHECK(Credentials({write_with_mode(folder, "garbled.json", R"({"auths":{"a":{"auth":"!!"}}})")})
            .find("a")
            .error()
            .code == ErrorCode::credentials);
}

TEST_CASE("a credential helper is asked, and what it does wrong is told") {
  std::signal(SIGPIPE, SIG_IGN); // as the program does: a helper may end without reading
  const Folder folder;
  ::setenv("PATH", (folder.path.string() + ":" + std::getenv("PATH")).c_str(), 1);
  write_with_mode(folder, "docker-credential-good",
                  "#!/bin/sh\nread host\n[ $1 = get ] && [ \"$host\" = reg.example ] && "
                  "echo '{\"ServerURL\":\"reg.example\",\"Username\":\"u\",\"Secret\":\"s\"}' && exit 0\n"
                  "echo 'credentials not found in native keychain'; exit 1\n");
  write_with_mode(folder, "docker-credential-token",
                  "#!/bin/sh\ncat >/dev/null\necho '{\"Username\":\"<token>\",\"Secret\":\"t\"}'\n");
  write_with_mode(folder, "docker-credential-broken", "#!/bin/sh\necho boom; exit 3\n");
  write_with_mode(folder, "docker-credential-garbage", "#!/bin/sh\necho not json\n");
  write_with_mode(folder, "docker-credential-forger",
                  "#!/bin/sh\nprintf '{\"Username\":\"u\\\\nX: y\",\"Secret\":\"s\"}'\n");
  CHECK(helper_get("good", "reg.example").value()->secret == "s");
  CHECK_FALSE(helper_get("good", "other.example").value());
  CHECK(helper_get("token", "any").value()->kind == Credential::Kind::identity_token);
  CHECK(helper_get("broken", "any").error().message.find("boom") != std::string::npos);
  for (const char* name : {"garbage", "forger", "absent", "../evil", "a b", ""})
    CHECK_MESSAGE(helper_get(name, "any").error().code == ErrorCode::credentials, name);
  const fs::path config = write_with_mode(
      folder, "config.json", R"({"credHelpers":{"reg.example":"good"},"auths":{"reg.example":{}}})");
  CHECK(Credentials({config}).find("reg.example").value()->username == "u");
}
