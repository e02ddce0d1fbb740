#include <doctest/doctest.h>

#include "daemon/app/arguments.h"
#include "daemon/app/config.h"

using namespace mrun;

namespace {

using Names = std::vector<std::string>;

Names hosts(std::string_view address, const Names& names = {}) {
  const Result<TcpAddress> parsed = parse_tcp_address(address);
  REQUIRE_MESSAGE(parsed, parsed.error().message);
  return hosts_of(*parsed, names);
}

Result<void> read(Names words, DaemonArguments& arguments) {
  std::vector<char*> pointers = {const_cast<char*>("mrund")};
  for (std::string& word : words)
    pointers.push_back(word.data());
  return read_arguments(static_cast<int>(pointers.size()), pointers.data(), arguments);
}

ListenSettings listen_at(std::string_view address, bool insecure = false) {
  return {{*parse_tcp_address(address)}, {}, insecure};
}

} // namespace

TEST_CASE("which Host an address answers to") {
  CHECK(hosts("tcp://127.0.0.1:8000") == Names{"127.0.0.1:8000", "localhost:8000"});
  CHECK(hosts("tcp://[::1]:8000") == Names{"[::1]:8000", "localhost:8000"});
  CHECK(hosts("tcp://10.0.0.5:8000") == Names{"10.0.0.5:8000"});
  CHECK(hosts("tcp://0.0.0.0:8000", {"gpu.lan", "gpu.lan:443"}) ==
        Names{"gpu.lan:8000", "gpu.lan:443", "localhost:8000"});
  CHECK(hosts("tcp://127.0.0.1:80") == Names{"127.0.0.1:80", "localhost:80", "127.0.0.1", "localhost"});
}

TEST_CASE("names of hosts are taken as callers write them") {
  CHECK(*parse_host_name("GPU.lan") == "gpu.lan");
  CHECK(*parse_host_name("gpu.lan:443") == "gpu.lan:443");
  for (const char* text : {"", ":80", "gpu.lan:", "gpu.lan:x", "gpu.lan.", ".lan", "a/b", "a b", "*", "*.lan",
                           "a:1:2", "gpu.lan:123456", "http://gpu.lan"}) {
    CAPTURE(text);
    const Result<std::string> name = parse_host_name(text);
    REQUIRE_FALSE(name);
    CHECK(name.error().code == ErrorCode::flag_value);
  }
}

TEST_CASE("port 0 becomes the port that was free, and is taken then") {
  const auto doors = open_tcp_doors(listen_at("tcp://127.0.0.1:0"));
  REQUIRE_MESSAGE(doors, doors.error().message);
  REQUIRE(doors->size() == 1);
  const std::string address = doors->front().address;
  CHECK(address.starts_with("tcp://127.0.0.1:"));
  CHECK_FALSE(address.ends_with(":0"));
  CHECK(doors->front().door.hosts.front() == address.substr(6));
  const auto again = open_tcp_doors(listen_at(address));
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::daemon_start);
  CHECK(again.error().hint == "choose another port, or 0 for any that is free");
}

TEST_CASE("what other machines reach wants a word of the user's") {
  for (const char* address : {"tcp://0.0.0.0:0", "tcp://[::]:0", "tcp://10.0.0.5:0"}) {
    CAPTURE(address);
    const auto doors = open_tcp_doors(listen_at(address));
    REQUIRE_FALSE(doors);
    CHECK(doors.error().code == ErrorCode::config_invalid);
    CHECK(doors.error().hint.find("--insecure-plaintext") != std::string::npos);
  }
  const auto doors = open_tcp_doors(listen_at("tcp://0.0.0.0:0", true));
  REQUIRE_MESSAGE(doors, doors.error().message);
  CHECK(doors->front().door.is_any);
}

TEST_CASE("the command line is added to the configuration") {
  DaemonArguments arguments;
  REQUIRE(read({"--listen", "tcp://127.0.0.1:8000", "--allow-host", "gpu.lan", "--insecure-plaintext"},
               arguments));
  ListenSettings all =
      parse_config("listen: [tcp://127.0.0.1:8000, tcp://127.0.0.1:9000]", "config.yaml")->listen;
  REQUIRE(all.add(arguments.listen));
  CHECK(all.addresses.size() == 2);
  CHECK(all.host_names == Names{"gpu.lan"});
  CHECK(all.insecure_plaintext);
  for (const Names& words :
       std::vector<Names>{{"--lisen", "x"}, {"--ready-fd", "99"}, {"--ready-fd"}, {"x"}}) {
    DaemonArguments wrong;
    const Result<void> done = read(words, wrong);
    REQUIRE_FALSE(done);
    CHECK(done.error().code == ErrorCode::usage);
  }
  DaemonArguments wrong;
  CHECK(read({"--listen"}, wrong).error().code == ErrorCode::flag_value);
}

TEST_CASE("a wrong address in the configuration names its place") {
  const auto config =
      parse_config("listen:\n  - tcp://127.0.0.1:8000\n  - tcp://example.com:80\n", "config.yaml");
  REQUIRE_FALSE(config);
  CHECK(config.error().code == ErrorCode::config_invalid);
  CHECK(config.error().message.starts_with("config.yaml:3:5: `tcp://example.com:80` is not an address"));
  std::string many = "listen:\n";
  for (int port = 1; port <= 17; ++port)
    many += "  - tcp://127.0.0.1:" + std::to_string(port) + "\n";
  for (const std::string& text :
       {std::string("listen: {a: b}"), std::string("allow_hosts: [\"*\"]"),
        std::string("insecure_plaintext: yes"), std::string("listen: [[x]]"), many}) {
    CAPTURE(text);
    const auto wrong = parse_config(text, "config.yaml");
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code == ErrorCode::config_invalid);
  }
}
