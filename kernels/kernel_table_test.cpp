#include <doctest/doctest.h>

#include <set>
#include <string>

#include "kernels/kernel_table.h"

using namespace mrun::kernels;

TEST_CASE("each kernel is in the table once and has a benchmark that runs") {
  std::set<std::string_view> names;
  for (const KernelRow& row : kernel_rows()) {
    CHECK(names.insert(row.name).second);
    int cases = 0;
    row.bench([&](std::string_view, double bytes, const std::function<void()>&) {
      ++cases;
      CHECK(bytes > 0);
    });
    CHECK_MESSAGE(cases > 0, row.name);
  }
  CHECK(names.size() > 2);
}
