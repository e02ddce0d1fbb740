#include <doctest/doctest.h>

#include <thread>

#include <sched.h>

#include "common/cores.h"

TEST_CASE("the cores are those that this thread may use, not all of the machine") {
  int seen = 0;
  std::thread narrow([&] {
    cpu_set_t all, one;
    CPU_ZERO(&all);
    CPU_ZERO(&one);
    REQUIRE(::sched_getaffinity(0, sizeof all, &all) == 0);
    int first = 0;
    while (!CPU_ISSET(first, &all))
      ++first;
    CPU_SET(first, &one);
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    seen = mrun::usable_cores();
  });
  narrow.join();
  CHECK(seen == 1);
  CHECK(mrun::usable_cores() >= 1);
}
