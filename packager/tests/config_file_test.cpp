// config.yaml: what commands read of it without the daemon.
#include <doctest/doctest.h>

#include "packager/config_file.h"
#include "packager/tests/support.h"

using namespace mrun;
using mrun::testing::Folder;

namespace {

std::vector<SignatureRule> rules_of(std::string_view yaml) {
  const auto root = parse_config_tree(yaml, "/etc/mrun/config.yaml");
  REQUIRE(root);
  const auto config = read_sharing_config(*root, "/etc/mrun/config.yaml");
  INFO((config ? std::string() : config.error().message));
  REQUIRE(config);
  return config->require_signature;
}

std::string problem_of(std::string_view yaml) {
  const auto root = parse_config_tree(yaml, "config.yaml");
  const auto config = root ? read_sharing_config(*root, "config.yaml") : tl::unexpected<Error>(root.error());
  REQUIRE_FALSE(config);
  CHECK(config.error().code == ErrorCode::config_invalid);
  return config.error().message;
}

} // namespace

TEST_CASE("rules for signatures are read in their order, each in one of three forms") {
  const auto rules = rules_of("require_signature:\n"
                              "  ghcr.io/acme: [acme.pub, /keys/old.pub]\n"
                              "  localhost:5000/test: off\n"
                              "  \"*/acme-labs\":\n"
                              "    mode: warn\n"
                              "    keys:\n"
                              "      - |\n"
                              "        -----BEGIN PUBLIC KEY-----\n"
                              "        AAAA\n"
                              "        -----END PUBLIC KEY-----\n");
  REQUIRE(rules.size() == 3);
  CHECK(rules[0].pattern == "ghcr.io/acme");
  CHECK(rules[0].mode == SignatureMode::enforce);
  CHECK(rules[0].keys == std::vector<std::string>{"/etc/mrun/acme.pub", "/keys/old.pub"});
  CHECK(rules[1].mode == SignatureMode::off);
  CHECK(rules[2].mode == SignatureMode::warn);
  CHECK(rules[2].keys ==
        std::vector<std::string>{"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"});
}

TEST_CASE("the first rule that fits counts, part by part") {
  const auto rules = rules_of("require_signature:\n"
                              "  ghcr.io/acme/test-*: off\n"
                              "  ghcr.io/acme: [a]\n"
                              "  docker.io/acme: [b]\n"
                              "  \"*.example.com\": [c]\n"
                              "  \"*/trusted\": [d]\n");
  const auto key_of = [&](std::string_view host, std::string_view repository) -> std::string {
    const SignatureRule* rule = rule_for(rules, host, repository);
    return rule == nullptr      ? "none"
           : rule->keys.empty() ? "off"
                                : rule->keys[0].substr(rule->keys[0].size() - 1);
  };
  CHECK(key_of("ghcr.io", "acme/test-1") == "off");
  CHECK(key_of("ghcr.io", "acme/test-1/deep") == "off");
  CHECK(key_of("ghcr.io", "acme/sdxl") == "a");
  CHECK(key_of("GHCR.io", "acme/group/sdxl") == "a");
  CHECK(key_of("ghcr.io", "acme") == "a");
  CHECK(key_of("ghcr.io", "acme2/sdxl") == "none");
  CHECK(key_of("ghcr.io", "other/acme") == "none");
  for (const char* host : {"ghcr.io:443", "ghcr.io:0443", "ghcr.io.", "GHCR.IO.:443"})
    CHECK_MESSAGE(key_of(host, "acme/sdxl") == "a", std::string(host));
  CHECK(key_of("ghcr.io:444", "acme/sdxl") == "none");
  CHECK(key_of("index.docker.io", "acme/sdxl") == "b");
  CHECK(key_of("registry-1.docker.io", "acme/sdxl") == "b");
  CHECK(key_of("models.example.com", "any/name") == "c");
  CHECK(key_of("example.com", "any/name") == "none");
  CHECK(key_of("localhost:5000", "trusted/x") == "d");
  CHECK(key_of("localhost:5000", "not-trusted/x") == "none");
}

TEST_CASE("a pattern of many stars is compared in no time") {
  const auto rules = rules_of("require_signature:\n  \"*a*a*a*a*a*a*a*b.io\": [a]\n");
  const std::string host(200, 'a');
  CHECK(rule_for(rules, host + ".io", "acme/sdxl") == nullptr);
  CHECK(rule_for(rules, host + "b.io", "acme/sdxl") == rules.data());
}

TEST_CASE("what is no rule is refused with its place") {
  CHECK(problem_of("require_signature: [a]").starts_with("config.yaml:1:"));
  CHECK(problem_of("require_signature:\n  acme: [a]").find("does not begin with a host") !=
        std::string::npos);
  CHECK(problem_of("require_signature:\n  ghcr.io/Acme: [a]").starts_with("config.yaml:2:3:"));
  for (const char* rule :
       {"ghcr.io//x: [a]", "ghcr.io/: [a]", "ghcr.io/**: [a]", "ghcr.io/a b: [a]", "ghcr.io/a: []",
        "ghcr.io/a: on", "ghcr.io/a: {keys: []}", "ghcr.io/a: {mode: warn}",
        "ghcr.io/a: {mode: maybe, keys: [a]}", "ghcr.io/a: {key: a}", "ghcr.io/a: {keys: a}",
        "ghcr.io/a: [[a]]", "ghcr.io/a: [\"\"]", "ghcr.io/a:", "\"*********/a\": [a]",
        "ghcr.io/a: [a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a]"})
    problem_of(std::string("require_signature:\n  ") + rule);
  problem_of("registry: [x]");
  CHECK(problem_of("require_signatures: {}").find("no key `require_signatures`") != std::string::npos);
}

TEST_CASE("token servers are hosts, of a registry each, in one spelling") {
  const auto root = parse_config_tree("token_servers:\n  Reg.Example:443: auth.Other\n"
                                      "  localhost:5000: [127.0.0.1:6000, auth.example]\n",
                                      "config.yaml");
  REQUIRE(root);
  const auto config = read_sharing_config(*root, "config.yaml");
  REQUIRE(config);
  CHECK(config->token_servers.at("reg.example") == std::vector<std::string>{"auth.other"});
  CHECK(config->token_servers.at("localhost:5000") ==
        std::vector<std::string>{"127.0.0.1:6000", "auth.example"});
  CHECK(problem_of("token_servers: [a.example]").starts_with("config.yaml:1:"));
  CHECK(problem_of("token_servers:\n  reg.example: https://auth.example/token").find("is no host") !=
        std::string::npos);
  for (const char* servers : {"acme: auth.example", "reg.example: [[a.example]]",
                              "reg.example:", "reg.example: \"\"", "reg.example/x: auth.example"})
    problem_of(std::string("token_servers:\n  ") + servers);
}

TEST_CASE("an absent configuration is empty, one that can't be read is an error") {
  Folder folder;
  const std::string path = (folder.path / "config.yaml").string();
  CHECK(load_sharing_config(path)->require_signature.empty());
  CHECK(load_sharing_config((folder.path / "no/config.yaml").string()));
  folder.write("config.yaml", "registry: ghcr.io\nmax_queue: 10\n");
  CHECK(load_sharing_config(path)->registry == "ghcr.io");
  CHECK(load_sharing_config((folder.path / "config.yaml/below").string()));
  folder.write("config.yaml", "nothing: 1");
  CHECK(load_sharing_config(path).error().code == ErrorCode::config_invalid);
  std::filesystem::remove(path);
  std::filesystem::create_symlink(path, path); // a loop
  CHECK_FALSE(load_sharing_config(path));
}
