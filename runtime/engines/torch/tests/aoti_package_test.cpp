// Whether this machine can run an AOTInductor package.
#include <doctest/doctest.h>
#include <sys/utsname.h>

#include "runtime/engines/torch/aoti_package.h"

namespace mrun::torch_engine {
namespace {

AotiPackage package_for(const std::string& isa) {
  struct utsname here {};
  REQUIRE(::uname(&here) == 0);
  AotiPackage package;
  package.device = "cpu";
  package.platform = "linux";
  package.machine = here.machine;
  package.cpu_isa = isa;
  return package;
}

const HasFeature k_avx2 = [](std::string_view feature) {
  return feature == "avx2" || feature == "fma" || feature == "f16c";
};

TEST_CASE("code for a better processor is refused before it is opened") {
  CHECK(check_machine(package_for(""), k_avx2));
  CHECK(check_machine(package_for("AVX2"), k_avx2));
  const auto refused = check_machine(package_for("AVX512 AVX512_VNNI AMX_TILE"), k_avx2);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::engine_unsupported);
  CHECK(refused.error().message.find("AVX512, and this processor lacks avx512f") != std::string::npos);
  CHECK(check_machine(package_for("AVX512 AMX_TILE"), [](std::string_view) { return true; }));
  CHECK_FALSE(check_machine(package_for("SVE256"), k_avx2));
}

TEST_CASE("code for another system or machine is refused") {
  AotiPackage package = package_for("AVX2");
  package.platform = "win32";
  CHECK_FALSE(check_machine(package, k_avx2));
  package = package_for("AVX2");
  package.machine = "mips";
  const auto refused = check_machine(package, k_avx2);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("was compiled for linux on mips") != std::string::npos);
}

} // namespace
} // namespace mrun::torch_engine
