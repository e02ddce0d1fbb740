// The torch engine's part of the model spec.
#include <doctest/doctest.h>

#include "runtime/engines/torch/run_options.h"

namespace mrun::torch_engine {
namespace {

TEST_CASE("consent is the daemon's word, not the bundle's") {
  CHECK_FALSE(read_run_options("")->native_code);
  CHECK_FALSE(read_run_options(R"({"manifest": {"options": {"native_code": true}}})")->native_code);
  CHECK_FALSE(read_run_options(R"({"native_code": "true"})")->native_code);
  CHECK(read_run_options(R"({"native_code": true, "manifest": {}})")->native_code);
}

TEST_CASE("options are read, unknown ones refused") {
  const auto options =
      read_run_options(R"({"manifest": {"options": {"dtype": "bf16", "operators": ["a.so", "b.so"]}}})");
  REQUIRE(options);
  CHECK(options->bf16);
  CHECK(options->operators == std::vector<std::string>{"a.so", "b.so"});
  for (const std::string bad :
       {R"({"manifest": {"options": {"dtype": "f8"}}})", R"({"manifest": {"options": {"dtype": 16}}})",
        R"({"manifest": {"options": {"speed": 9}}})"}) {
    const auto refused = read_run_options(bad);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::engine_unsupported);
  }
  CHECK(read_run_options("{").error().code == ErrorCode::load_failed);
}

} // namespace
} // namespace mrun::torch_engine
