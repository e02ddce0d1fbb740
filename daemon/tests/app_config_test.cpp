#include <doctest/doctest.h>

#include <fstream>

#include <sys/stat.h>

#include "daemon/app/config.h"
#include "daemon/tests/state_fixture.h"

using namespace mrun;

namespace {

std::string refusal(std::string_view text) {
  const Result<DaemonConfig> config = parse_config(text, "config.yaml");
  REQUIRE_MESSAGE(!config, std::string(text));
  CHECK(config.error().code == ErrorCode::config_invalid);
  return config.error().message;
}

} // namespace

TEST_CASE("every key of the configuration is read") {
  const Result<DaemonConfig> config = parse_config(
      "memory_budget: 6GiB\nmax_queue: 10\nidle_unload: 10m\ndrain_timeout: 1500ms\n"
      "listen: [tcp://127.0.0.1:8000, \"tcp://[::1]:0\"]\nallow_hosts: gpu.lan\n"
      "insecure_plaintext: true\nzygote: false\ntorch_dir: /opt/torch\nregistry: registry.example.com\n"
      "cost: {rate: \"0.36\", per: instance_h, currency: USD}\n",
      "config.yaml");
  REQUIRE_MESSAGE(config, config.error().message);
  CHECK(config->memory_budget_bytes == 6ULL << 30U);
  CHECK(config->max_queue == 10);
  CHECK(config->idle_unload == std::chrono::minutes(10));
  CHECK(config->drain_timeout == std::chrono::milliseconds(1500));
  CHECK_FALSE(config->zygote);
  CHECK(config->torch_dir == "/opt/torch");
  CHECK(config->registry == "registry.example.com");
  REQUIRE(config->listen.addresses.size() == 2);
  CHECK(config->listen.addresses[1].text() == "tcp://[::1]:0");
  CHECK(config->listen.host_names == std::vector<std::string>{"gpu.lan"});
  CHECK(config->listen.insecure_plaintext);
  REQUIRE(config->cost);
  CHECK(config->cost->rate.text() == "0.36");
  CHECK(config->cost->per == "instance_h");
  CHECK(config->cost->currency == "USD");
  CHECK(parse_config("cost: {rate: 0.1, per: instance_s, currency: EUR}", "config.yaml")->cost->rate.text() ==
        "0.1");
}

TEST_CASE("what a model may take of this machine is read") {
  const Result<DaemonConfig> config = parse_config(
      "models:\n  acme/sdxl: {instances: 2, threads: 4, pinned: true}\n  local/small: {threads: 1}\n",
      "config.yaml");
  REQUIRE_MESSAGE(config, config.error().message);
  const ModelSettings& large = config->models.at("acme/sdxl");
  CHECK(large.instances == 2);
  CHECK(large.threads == 4);
  CHECK(large.pinned);
  const ModelSettings& small = config->models.at("local/small");
  CHECK(small.instances == 1);
  CHECK(small.threads == 1);
  CHECK_FALSE(small.pinned);
  CHECK(refusal("models:\n  acme/x: {instance: 2}") == "config.yaml:2:12: a model has no key `instance`");
  CHECK(refusal("models: {acme/x: {instances: 65}}").find("`instances` is not a number from 1 to 64") !=
        std::string::npos);
  CHECK(refusal("models: {Acme: {instances: 2}}").find("config.yaml:1:10: `Acme`") == 0);
}

TEST_CASE("an empty or absent file is the default") {
  CHECK(parse_config("", "config.yaml"));
  CHECK(parse_config("require_signature: {ghcr.io/acme: [acme.pub]}", "config.yaml"));
  CHECK_FALSE(parse_config("require_signature: {acme: [acme.pub]}", "config.yaml"));
  CHECK(parse_config("token_servers: {reg.example: [auth.example, localhost:6000]}", "config.yaml"));
  CHECK_FALSE(parse_config("token_servers: reg.example", "config.yaml"));
  CHECK(parse_config("# nothing\n", "config.yaml"));
  const Result<DaemonConfig> absent = load_config("/nowhere/config.yaml");
  REQUIRE(absent);
  CHECK(absent->zygote);
  CHECK(absent->max_queue == k_max_queue_length);
  CHECK_FALSE(absent->cost);
}

TEST_CASE("a mistake names file, line, column and key") {
  const Result<DaemonConfig> config = parse_config("max_queue: 5\nmemroy_budget: 3GiB\n", "config.yaml");
  REQUIRE_FALSE(config);
  CHECK(config.error().message == "config.yaml:2:1: the configuration has no key `memroy_budget`");
  CHECK(config.error().hint == "did you mean `memory_budget`?");
  CHECK(refusal("max_queue: 0").find("config.yaml:1:12") == 0);
  CHECK(refusal("cost: {rate: \"0.36\", per: instance_h}").find("has no `currency`") != std::string::npos);
  CHECK(refusal("cost: {rate: \"0,36\", per: instance_h, currency: USD}").find("is not an amount") !=
        std::string::npos);
  CHECK(refusal("cost: {rate: 1, per: gpu_h, currency: USD}").find("`per`") != std::string::npos);
  CHECK(refusal("cost: {rate: 1, per: instance_h, currency: dollars}").find("ISO 4217") != std::string::npos);
  for (const char* bad : {"- 1",
                          "5",
                          "max_queue: many",
                          "max_queue: -1",
                          "max_queue: 1.5",
                          "memory_budget: 0",
                          "memory_budget: 3 potatoes",
                          "memory_budget: 99999999999TiB",
                          "drain_timeout: 5",
                          "idle_unload: -1s",
                          "zygote: maybe",
                          "zygote: \"true\"",
                          "torch_dir: relative",
                          "torch_dir: [a]",
                          "cost: 5",
                          "cost: {}",
                          "max_queue: 1\nmax_queue: 2",
                          "a: &x 1",
                          "{",
                          "models: 5",
                          "models: [a/b]",
                          "models: {a/b: 2}",
                          "models: {a/b: {threads: 0}}",
                          "models: {a/b: {threads: auto}}",
                          "models: {a/b: {pinned: 1}}",
                          "models: {a/b: {instances: [1]}}",
                          "models: {a/b: {}, a/b: {}}"})
    refusal(bad);
}

TEST_CASE("an unreadable file is an error") {
  const mrun::testing::TempFolder folder;
  std::filesystem::create_directories(folder.path() / "config.yaml");
  const Result<DaemonConfig> config = load_config((folder.path() / "config.yaml").string());
  CHECK_FALSE(config);
}
