// The report of a PyTorch file, whose author may be anybody.
#include <doctest/doctest.h>

#include "common/tests/zip_writer.h"
#include "runtime/engines/torch/inspect/file_report.h"
#include "runtime/engines/torch/tests/bytes_file.h"

namespace mrun::torch_engine {
namespace {

Json report_of(const std::string& bytes, const CheckOptions& options = {}) {
  const mrun_file file = test::file_of(bytes);
  const auto archive = Archive::open(file);
  REQUIRE(archive);
  const auto report = report_archive(*archive, options);
  REQUIRE(report);
  return *report;
}

std::string script(const std::string& argument, const std::string& body) {
  test::ZipWriter writer;
  writer.add("m/data.pkl", "\x80\x02"
                           "c__torch__.my\nNet\nq\x01");
  writer.add("m/code/__torch__/my.py", "class Net(Module):\n  def forward(self: __torch__.my.Net,\n    " +
                                           argument + ": Tensor) -> Tensor:\n    return " + body + "\n");
  return writer.finish();
}

TEST_CASE("names that would reach a terminal are without control characters") {
  const Json report = report_of(script("x\x1b"
                                       "c\xff",
                                       "torch.add(x, 1)"));
  CHECK(report["kind"] == "torchscript");
  REQUIRE(report["inputs"].size() == 1);
  CHECK(report["inputs"][0]["name"] == "in.x\\x1bc\\xff");
  CHECK(report["problems"].empty());
}

TEST_CASE("a script may call operators of the bundle's own library, not what is refused anyway") {
  const std::string own = script("x", "ops.mylib.magic(x)");
  const Json alone = report_of(own);
  REQUIRE(alone["problems"].size() == 1);
  CHECK(alone["problems"][0]["message"].get<std::string>().find("`mylib::magic`") != std::string::npos);
  CheckOptions with_library;
  with_library.operator_libraries = true;
  const Json brought = report_of(own, with_library);
  CHECK(brought["problems"].empty());
  CHECK(brought["operators"]["list"][0]["available"] == true);
  CHECK(report_of(script("x", "torch.from_file(x)"), with_library)["problems"].size() == 1);
}

TEST_CASE("operators that this LibTorch lacks and inputs of unknown types are found in a script's code") {
  const auto table = OperatorTable::parse("torch 2.14.1\nscript\naten::add\n");
  REQUIRE(table);
  CheckOptions options;
  options.table = &*table;
  CHECK(report_of(script("x", "torch.add(x, 1)"), options)["problems"].empty());
  const Json newer = report_of(script("x", "torch.newer(x)"), options);
  REQUIRE(newer["problems"].size() == 1);
  CHECK(newer["problems"][0]["message"].get<std::string>().find(
            "`aten::newer` in `code/__torch__/my.py` is not in "
            "LibTorch 2.14.1") != std::string::npos);
  CHECK(newer["operators"]["list"][0]["available"] == false);
  const Json own = report_of(script("x", "ops.mylib.magic(x)"), options);
  REQUIRE(own["problems"].size() == 1);
  CHECK(own["problems"][0]["hint"].get<std::string>().find("operators: [") != std::string::npos);
  const Json odd = report_of(script("device: Device,\n    x", "torch.add(x, 1)"), options);
  REQUIRE(odd["problems"].size() == 1);
  CHECK(odd["problems"][0]["message"].get<std::string>().find("takes `device` of type Device") !=
        std::string::npos);
  CHECK(report_of(script("xs: List[Tensor], x", "torch.add(x, 1)"), options)["inputs"][0]["type"] ==
        "collection");
}

} // namespace
} // namespace mrun::torch_engine
