// What a registry says and a Docker config holds, read with distrust. No network here.
#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <sys/stat.h>

#include "common/fd.h"
#include "packager/reference.h"
#include "packager/registry/address_reach.h"
#include "packager/registry/auth.h"
#include "packager/registry/credentials.h"
#include "packager/registry/proxy.h"
#include "packager/registry/push_notes.h"
#include "packager/registry/retry.h"
#include "packager/registry/tls_trust.h"
#include "packager/registry/token_servers.h"
#include "packager/registry/url.h"
#include "packager/registry_host.h"
#include "packager/sha256.h"
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
                          "https://a/\r\nX: y", "a b", "gopher://a", "https://a/\x7f", "https://a%252eb/"})
    CHECK_FALSE_MESSAGE(Url::parse(bad).has_value(), std::string(bad));
  CHECK(Url::parse("https://a/x?sig=secret b").error().message.find("secret") == std::string::npos);
}

TEST_CASE("a token server is near by its name: the same, or one of the registry's own domain") {
  const auto near = [](const std::string& registry, const std::string& realm) {
    return is_near(Url::parse(registry).value(), Url::parse(realm).value());
  };
  // As they are in use.
  CHECK(near("https://registry-1.docker.io/", "https://auth.docker.io/token"));
  CHECK(near("https://ghcr.io/", "https://ghcr.io/token"));
  CHECK(near("https://quay.io/", "https://quay.io/v2/auth"));
  CHECK(near("https://registry.gitlab.com/", "https://gitlab.com/jwt/auth"));
  CHECK(near("https://europe-docker.pkg.dev/", "https://europe-docker.pkg.dev/v2/token"));
  CHECK(near("https://public.ecr.aws/", "https://public.ecr.aws/token/"));
  CHECK(near("https://acme.azurecr.io/", "https://acme.azurecr.io/oauth2/token"));
  CHECK(near("https://registry.digitalocean.com/", "https://api.digitalocean.com/v2/registry/auth"));
  CHECK(near("https://gitlab.acme.co.uk:5050/", "https://gitlab.acme.co.uk/jwt/auth"));
  CHECK(near("https://registry.acme.co.uk/", "https://auth.acme.co.uk/token"));
  CHECK(near("http://localhost:5000/", "http://localhost:5000/token"));
  // Where others may be.
  for (const auto& [registry, realm] : std::vector<std::pair<std::string, std::string>>{
           {"https://registry.example.com/", "https://auth.example.net/"},
           {"https://registry.example.com/", "https://example.com.evil.net/"},
           {"https://registry.example.com/", "https://evilexample.com/"},
           {"https://ghcr.io/", "https://evil.io/"},
           {"https://acme.co.uk/", "https://evil.co.uk/"},
           {"https://acme.azurecr.io/", "https://evil.azurecr.io/"},
           {"https://acme.github.io/", "https://evil.github.io/"},
           {"https://10.0.0.5:5000/", "https://10.0.0.5:5001/"},
           {"https://10.0.0.5/", "https://20.0.0.5/"},
           {"http://localhost:5000/", "http://localhost:5001/"},
           {"http://localhost:5000/", "http://127.0.0.1:5000/"},
           {"https://registry/", "https://auth/"}})
    CHECK_FALSE_MESSAGE(near(registry, realm), (registry + " " + realm));
}

TEST_CASE("what a login agreed to is kept by registry, until logout") {
  const Folder folder;
  const TokenServerFile file(folder.path / "state/token-servers.json");
  CHECK(file.of("reg.example").empty());
  CHECK(file.erase("reg.example"));
  REQUIRE(file.add("reg.example", "auth.other"));
  REQUIRE(file.add("localhost:5000", "127.0.0.1:6000"));
  CHECK(file.of("reg.example") == std::vector<std::string>{"auth.other"});
  REQUIRE(file.add("reg.example", "auth.third")); // the last login counts
  CHECK(file.of("reg.example") == std::vector<std::string>{"auth.third"});
  REQUIRE(file.erase("reg.example"));
  CHECK(file.of("reg.example").empty());
  CHECK(file.of("localhost:5000") == std::vector<std::string>{"127.0.0.1:6000"});
  for (const char* noise : {"", "[]", "{}", R"({"schema":"mrun.token-servers/v1","servers":[]})"}) {
    folder.write("state/token-servers.json", noise);
    CHECK(file.of("localhost:5000").empty());
  }
}

TEST_CASE("plain HTTP is for this machine only, whatever a name looks like") {
  for (const char* host : {"localhost", "127.0.0.1", "127.9.8.7", "[::1]"})
    CHECK_MESSAGE(is_loopback_host(host), std::string(host));
  for (const char* host :
       {"127.evil.example", "127.0.0.1.evil.example", "127.", "localhost.example", "128.0.0.1", "", "::1"})
    CHECK_FALSE_MESSAGE(is_loopback_host(host), std::string(host));
}

TEST_CASE("addresses inside private networks are known in all their forms") {
  for (const char* address : {"127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1"})
    CHECK_MESSAGE(reach_of(address) == AddressReach::loopback, address);
  for (const char* address : {"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
                              "fc00::1", "fd12::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"})
    CHECK_MESSAGE(reach_of(address) == AddressReach::private_network, address);
  for (const char* address : {"169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "fe80::1",
                              "ff02::1", "::ffff:169.254.169.254", "not an address", ""})
    CHECK_MESSAGE(reach_of(address) == AddressReach::special, address);
  for (const char* address : {"8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1", "::ffff:8.8.8.8"})
    CHECK_MESSAGE(reach_of(address) == AddressReach::open, address);
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

TEST_CASE("attempts end: by their count, by the deadline, by a pause that is too long") {
  ManualClock clock;
  const auto none = std::chrono::seconds(0);
  Retry counted(-1, clock);
  int attempts = 1;
  while (counted.again(none).value())
    ++attempts;
  CHECK(attempts == Retry::k_attempts);
  Retry away(-1, clock);
  for (attempts = 1; away.again(none, Retry::k_patient_attempts).value();)
    ++attempts;
  CHECK(attempts == Retry::k_patient_attempts);
  Retry late(-1, clock);
  CHECK(late.again(none).value());
  clock.advance_ns(std::chrono::nanoseconds(Retry::k_deadline).count() + 1);
  CHECK_FALSE(late.again(none).value());
  Retry patient(-1, clock);
  CHECK_FALSE(patient.again(std::chrono::seconds(61)).value());
  // What a drip brings is no progress; what a transfer brings is.
  Retry drip(-1, clock);
  attempts = 1;
  for (; drip.again(none).value(); ++attempts)
    drip.progressed(100);
  CHECK(attempts == Retry::k_attempts);
  Retry moving(-1, clock);
  for (int i = 0; i < 50; ++i) {
    moving.progressed(Retry::k_progress_bytes);
    REQUIRE(moving.again(none).value());
  }
}

TEST_CASE("a host's folder of certs.d adds to what TLS trusts") {
  const Folder folder;
  ::setenv("XDG_CONFIG_HOME", folder.path.c_str(), 1);
  ::setenv("SSL_CERT_FILE", "/roots.pem", 1);
  ::unsetenv("CURL_CA_BUNDLE");
  folder.write("containers/certs.d/reg.example:5000/a.crt", "ONE");
  folder.write("containers/certs.d/reg.example:5000/b.crt", "TWO");
  folder.write("containers/certs.d/reg.example:5000/me.cert", "C");
  folder.write("containers/certs.d/alone.example/me.cert", "C");
  CHECK(tls_trust_for("reg.example:5000").error().message.find("has no key") != std::string::npos);
  folder.write("containers/certs.d/reg.example:5000/me.key", "K");
  const TlsTrust trust = tls_trust_for("reg.example:5000").value();
  CHECK(trust.authorities == "ONE\nTWO\n");
  CHECK(trust.certificate_file.ends_with("me.cert"));
  CHECK(trust.key_file.ends_with("me.key"));
  CHECK(trust.authorities_file == "/roots.pem");
  CHECK(tls_trust_for("alone.example").error().code == ErrorCode::registry_tls);
  CHECK(has_certificates_for("reg.example:5000"));
  for (const char* other : {"reg.example", "..", ".", "", "reg.example:5000/..", "/etc"})
    CHECK_FALSE_MESSAGE(has_certificates_for(other), other);
  CHECK(tls_trust_for("other.example").value().authorities.empty());
  ::unsetenv("XDG_CONFIG_HOME");
  ::unsetenv("SSL_CERT_FILE");
}

TEST_CASE("what was pushed is noted once, the latest first, and noise is no note") {
  const Folder folder;
  const PushNotes notes(folder.path / "cache/pushed.json");
  CHECK(notes.read().empty());
  const Digest one = Sha256::of("one"), two = Sha256::of("two");
  notes.add({"a.example/x/y", one});
  notes.add({"b.example/x/y", two});
  notes.add({"a.example/x/y", one});
  const std::vector<PushNote> read = notes.read();
  REQUIRE(read.size() == 2);
  CHECK(read[0].origin == "a.example/x/y");
  CHECK(read[0].version == one);
  CHECK(read[1].version == two);
  for (const char* noise :
       {"", "{", "[]", R"({"schema":"mrun.push-notes/v1"})",
        R"({"schema":"mrun.push-notes/v1","pushed":[["a"]]})",
        R"({"schema":"mrun.push-notes/v1","pushed":[["a","zz"]]})",
        R"({"schema":"mrun.push-notes/v1","pushed":7})", R"({"schema":1,"pushed":[["a","b"]]})"}) {
    folder.write("cache/pushed.json", noise);
    CHECK_MESSAGE(notes.read().empty(), noise);
  }
  PushNotes("").add({"a", one});
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

TEST_CASE("a credential helper that reads nothing holds nobody up") {
  const Folder folder;
  // A child of it keeps the pipe open, which is too small for the secret.
  write_with_mode(folder, "docker-credential-deaf",
                  "#!/bin/sh\nsleep 1000 <&0 >/dev/null 2>&1 &\necho $! > " + (folder.path / "pid").string() +
                      "\nexit 0\n");
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", (folder.path.string() + ":" + path).c_str(), 1);
  CHECK(helper_store("deaf", "reg.example",
                     {.username = std::string(30'000, 'u'), .secret = std::string(60'000, 's')}));
  ::setenv("PATH", path.c_str(), 1);
  ::kill(std::stoi(folder.read("pid")), SIGKILL);
}

TEST_CASE("a host has one spelling") {
  const std::pair<const char*, const char*> hosts[] = {
      {"GHCR.io", "ghcr.io"},
      {"ghcr.io:443", "ghcr.io"},
      {"ghcr.io:00443", "ghcr.io"},
      {"ghcr.io.", "ghcr.io"},
      {"ghcr.io:80", "ghcr.io:80"},
      {"localhost:80", "localhost"},
      {"localhost:05000", "localhost:5000"},
      {"localhost:443", "localhost:443"},
      {"0x7f.1:5000", "127.0.0.1:5000"},
      {"127.1", "127.0.0.1"},
      {"127.a-domain.example", "127.a-domain.example"},
      {"[0:0::1]:5000", "[::1]:5000"},
      {"[::1]:80", "[::1]"},
      {"myhost:443", "myhost:443"}, // `myhost` alone would be an owner
      {"myhost.:0443", "myhost."},
      {"localhost.:80", "localhost"},
      {"registry-1.docker.io", "docker.io"},
      {"index.docker.io:443", "docker.io"}};
  for (const auto& [written, known] : hosts)
    CHECK_MESSAGE(canonical_host(written) == known, written);
  CHECK(Reference::parse("GHCR.io:443/acme/x").value().text() == "ghcr.io/acme/x:latest");
}

TEST_CASE("proxies are the environment's, never for this machine, and not for no_proxy") {
  const auto proxy = [](const char* url) { return proxy_for(Url::parse(url).value()); };
  const auto set = [](const char* name, const char* value) { ::setenv(name, value, 1); };
  for (const char* name :
       {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"})
    ::unsetenv(name);
  CHECK(proxy("https://ghcr.io/").empty());
  set("https_proxy", "http://p:1");
  CHECK(proxy("https://ghcr.io/") == "http://p:1");
  CHECK(proxy("http://ghcr.io/").empty());
  set("all_proxy", "http://q:2");
  CHECK(proxy("http://ghcr.io/") == "http://q:2");
  for (const char* here : {"http://localhost:5000/", "http://127.0.0.1/", "http://[::1]:5000/"})
    CHECK_MESSAGE(proxy(here).empty(), here);
  set("no_proxy", "example.com, .acme.dev 10.0.0.0/8,[fd00::1],only.dev:8443,fe80::/10, bad/xx,");
  for (const char* direct :
       {"https://example.com/", "https://a.example.com/", "https://x.acme.dev/", "https://acme.dev/",
        "https://10.2.3.4/", "https://[fd00::1]/", "https://only.dev:8443/", "https://[fe80::9]/"})
    CHECK_MESSAGE(proxy(direct).empty(), direct);
  for (const char* other :
       {"https://notexample.com/", "https://11.2.3.4/", "https://only.dev/", "https://[fd00::2]/"})
    CHECK_MESSAGE(proxy(other) == "http://p:1", other);
  set("no_proxy", "*");
  CHECK(proxy("https://notexample.com/").empty());
  for (const char* name : {"https_proxy", "all_proxy", "no_proxy"})
    ::unsetenv(name);
}

TEST_CASE("credentials of a path come before those of the host") {
  const Folder folder;
  folder.write("config.json", R"({"auths":{"h.dev":{"auth":"YTpo"},"h.dev/acme":{"auth":"YTpv"},)"
                              R"("h.dev/acme/x":{"auth":"YTpu"},"https://old.dev/v1/":{"auth":"YTp2"}}})");
  const Credentials credentials({folder.path / "config.json"});
  const auto secret = [&](const char* host, const char* repository) {
    return credentials.find(host, repository).value().value().secret;
  };
  CHECK(secret("h.dev", "acme/x") == "n");
  CHECK(secret("h.dev", "acme/y") == "o");
  CHECK(secret("h.dev", "other/y") == "h");
  CHECK(secret("old.dev", "a/b") == "v");
}

TEST_CASE("a Docker config that is a link stays one") {
  const Folder folder;
  folder.write("dotfiles/config.json", "{}");
  std::filesystem::create_symlink(folder.path / "dotfiles/config.json", folder.path / "config.json");
  REQUIRE(Credentials({folder.path / "config.json"}).save("h.dev", {Credential::Kind::password, "me", "x"}));
  CHECK(std::filesystem::is_symlink(folder.path / "config.json"));
  CHECK(read_file((folder.path / "dotfiles/config.json").string(), 4096, ErrorCode::io, ErrorCode::io)
            .value()
            .find("h.dev") != std::string::npos);
}
