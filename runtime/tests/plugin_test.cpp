// Predictors as an outsider writes them: the document's example and the `cpp` template, built by its own
// CMake.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/tests/worker_process.h"

using namespace mrun;
using namespace mrun::test;

namespace {

std::string slurp(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

TEST_CASE("the example of docs/formats/predictor-abi.md answers") {
  WorkerProcess worker(MRUN_TEST_EXAMPLE);
  REQUIRE(worker.load(Json{{"output", {{"type", "string"}}}}).type() == "loaded");
  CHECK(worker.ask(Json{{"text", "hello"}}).text() == R"("hello")");
  const Answer refused = worker.ask(Json{{"other", 1}});
  CHECK(refused.code() == "input_refused");
  CHECK(refused.done["message"] == "there is no input `text`");
}

TEST_CASE("the cpp template builds by its own CMake and predicts") {
  TempFolder folder;
  const std::string model = folder.path + "/model";
  std::filesystem::copy(MRUN_TEST_TEMPLATE, model, std::filesystem::copy_options::recursive);
  std::filesystem::copy_file(MRUN_TEST_HEADER, model + "/mrun_predictor.h",
                             std::filesystem::copy_options::skip_existing);
  const std::string cmake = MRUN_TEST_CMAKE;
  const std::string build = cmake + " -S " + model + " -B " + model +
                            "/build -DCMAKE_CXX_COMPILER=" MRUN_TEST_CXX " >" + model + "/log 2>&1 && " +
                            cmake + " --build " + model + "/build >>" + model + "/log 2>&1";
  REQUIRE_MESSAGE(std::system(build.c_str()) == 0, slurp(model + "/log"));

  const std::string module = slurp(model + "/predictor.so");
  const Json segment{{"blob", folder.add_blob(module)}, {"offset", 0}, {"length", module.size()}};
  const Json files = Json::array(
      {{{"path", "predictor.so"}, {"mode", 493}, {"size", module.size()}, {"segments", {segment}}}});
  const Json manifest{{"model", "predictor.so"},
                      {"inputs", Json::array({{{"name", "document"}, {"type", "file"}}})},
                      {"output", {{"type", "string"}}},
                      {"concurrency", 4}};
  WorkerProcess worker("native");
  const Frame loaded = worker.load(manifest, folder, files);
  REQUIRE_MESSAGE(loaded.type() == "loaded", canonical_json(loaded.header));
  const std::string text = "the cat and the dog and the bird\n";
  const UniqueFd document = [&] { return *sealed_memfd("document", text); }();
  const Json marker{{"$file", 0}, {"name", "a.txt"}, {"size", text.size()}};
  const Answer answer = worker.ask(Json{{"document", marker}, {"top", 2}}, {document.get()});
  CHECK(answer.text() == "33 bytes, 1 lines, 8 words\n3  the\n2  and\n");
  CHECK(answer.outputs.size() == 3); // streamed
  CHECK(answer.metrics.at("words") == 8);
  CHECK(worker.ask(Json{{"top", 2}}).code() == "input_refused");
}
