#include <doctest/doctest.h>

#include "common/tcp_address.h"

using namespace mrun;

TEST_CASE("an address is read and written") {
  for (const char* text : {"tcp://127.0.0.1:8000", "tcp://[::1]:0", "tcp://0.0.0.0:65535", "tcp://[::]:80"}) {
    CAPTURE(text);
    const Result<TcpAddress> address = parse_tcp_address(text);
    REQUIRE_MESSAGE(address, address.error().message);
    CHECK(address->text() == text);
  }
  CHECK(parse_tcp_address("tcp://localhost:8000")->text() == "tcp://127.0.0.1:8000");
  CHECK(parse_tcp_address("tcp://[0:0:0:0:0:0:0:1]:8000")->text() == "tcp://[::1]:8000");
  CHECK(parse_tcp_address("tcp://127.0.0.1:8000")->port() == 8000);
}

TEST_CASE("which addresses are of this machine only") {
  CHECK(parse_tcp_address("tcp://127.0.0.1:1")->is_loopback);
  CHECK(parse_tcp_address("tcp://127.255.0.9:1")->is_loopback);
  CHECK(parse_tcp_address("tcp://[::1]:1")->is_loopback);
  CHECK_FALSE(parse_tcp_address("tcp://128.0.0.1:1")->is_loopback);
  CHECK_FALSE(parse_tcp_address("tcp://0.0.0.0:1")->is_loopback);
  CHECK(parse_tcp_address("tcp://0.0.0.0:1")->is_any);
  CHECK(parse_tcp_address("tcp://[::]:1")->is_any);
  CHECK_FALSE(parse_tcp_address("tcp://[::2]:1")->is_any);
}

TEST_CASE("what is no address is refused with its reason") {
  for (const char* text : {"",
                           "8000",
                           ":8000",
                           "127.0.0.1:8000",
                           "http://127.0.0.1:8000",
                           "tcp://",
                           "tcp://127.0.0.1",
                           "tcp://127.0.0.1:",
                           "tcp://127.0.0.1:65536",
                           "tcp://127.0.0.1:-1",
                           "tcp://127.0.0.1:+1",
                           "tcp://127.0.0.1:80x",
                           "tcp://127.1:80",
                           "tcp://0x7f000001:80",
                           "tcp://example.com:80",
                           "tcp://::1:80",
                           "tcp://[::1:80",
                           "tcp://[::ffff:127.0.0.1]:80",
                           "tcp://[fe80::1%eth0]:80",
                           "tcp://127.0.0.1:80/"}) {
    CAPTURE(text);
    const Result<TcpAddress> address = parse_tcp_address(text);
    REQUIRE_FALSE(address);
    CHECK(address.error().code == ErrorCode::flag_value);
    CHECK(address.error().hint.find("tcp://127.0.0.1:8000") != std::string::npos);
  }
}
