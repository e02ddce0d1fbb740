// Whether this machine can run an AOTInductor package.
#include <doctest/doctest.h>
#include <sys/utsname.h>

#include "common/tests/zip_writer.h"
#include "runtime/engines/torch/aoti_package.h"
#include "runtime/engines/torch/inspect/aoti_source.h"
#include "runtime/engines/torch/inspect/file_report.h"
#include "runtime/engines/torch/tests/bytes_file.h"

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

// What torch._inductor writes, cut to what is read of it.
std::string source(const std::string& count, const std::string& names, const std::string& weights) {
  return "AOTInductorModel::AOTInductorModel(std::shared_ptr<ConstantMap> map)\n    : AOTInductorModelBase(" +
         count + ",\n      4,\n      1,\n      device_str,\n      std::move(cubin_dir),\n      " + weights +
         ") {\n" + names +
         "    in_spec_ = R\"([1, {\"type\": \"builtins.tuple\", \"context\": \"null\", \"children_spec\": "
         "[{\"type\": \"builtins.tuple\", \"context\": \"null\", \"children_spec\": [{\"type\": null, "
         "\"context\": null, \"children_spec\": []}, {\"type\": null, \"context\": null, "
         "\"children_spec\": []}]}, {\"type\": \"builtins.dict\", \"context\": \"[\\\"scale\\\"]\", "
         "\"children_spec\": [{\"type\": null, \"context\": null, \"children_spec\": []}]}]}])\";\n";
}

TEST_CASE("the source of a package tells which of its arguments are tensors") {
  auto all = read_aoti_source(source("3", "", "true"));
  REQUIRE(all);
  CHECK(all->has_weights);
  CHECK(all->paths == std::vector<std::string>{"0", "1", "scale"});
  CHECK(all->inputs == std::vector<std::size_t>{0, 1, 2});
  const std::string names =
      "    inputs_info_[0].name = \"arg7_1\";\n    inputs_info_[1].name = \"arg9_1\";\n";
  auto some = read_aoti_source(source("2", names, "false"));
  REQUIRE(some);
  CHECK_FALSE(some->has_weights);
  CHECK(some->inputs == std::vector<std::size_t>{0, 2});
  auto unknown = read_aoti_source(source("2", "", "std::move(cubin_dir)"));
  REQUIRE(unknown);
  CHECK(unknown->has_weights);
  CHECK(unknown->inputs.empty());
  CHECK_FALSE(read_aoti_source(source("4", "", "true")));
  CHECK_FALSE(read_aoti_source(source("many", "", "true")));
  CHECK_FALSE(read_aoti_source("int main() {}"));
}

Json report_with(const std::vector<std::pair<std::string, std::string>>& members) {
  test::ZipWriter writer;
  for (const auto& [name, text] : members)
    writer.add("m/data/aotinductor/model/" + name, text);
  const std::string bytes = writer.finish();
  const mrun_file file = test::file_of(bytes);
  const auto archive = Archive::open(file);
  REQUIRE(archive);
  const auto report = report_archive(*archive, {});
  REQUIRE(report);
  return *report;
}

TEST_CASE("a package without its weights has a problem that says so") {
  const std::pair<std::string, std::string> library{"c.wrapper.so", "\x7f"
                                                                    "ELF"};
  const std::pair<std::string, std::string> metadata{"c.wrapper_metadata.json", "{}"};
  const std::pair<std::string, std::string> without{"c.wrapper.cpp", source("3", "", "false")};
  CHECK(report_with({library, metadata})["problems"].empty());
  CHECK(report_with({library, metadata})["inputs"].empty());
  const Json beside = report_with({library, metadata, without, {"c.wrapper_weights.blob", "1234"}});
  CHECK(beside["problems"].empty());
  REQUIRE(beside["inputs"].size() == 3);
  CHECK(beside["inputs"][2]["name"] == "in.scale");
  for (const auto& [members, words] :
       {std::pair{std::vector{library, metadata, without}, "compiled without its weights"},
        std::pair{std::vector{library, metadata, {"weights_config.json", "{}"}}, "as pickled tensors"}}) {
    const Json report = report_with(members);
    REQUIRE(report["problems"].size() == 1);
    CHECK(report["problems"][0]["message"].get<std::string>().find(words) != std::string::npos);
    CHECK(report["problems"][0]["hint"].get<std::string>().find("binary_blob") != std::string::npos);
  }
}

} // namespace
} // namespace mrun::torch_engine
