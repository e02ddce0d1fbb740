// What the engine says it supports is in some program of the corpus: tests/torch/make_corpus.py writes down
// what the programs have between them (kinds.json).
#include <algorithm>

#include <doctest/doctest.h>

#include "runtime/engines/torch/dtypes.h"
#include "runtime/engines/torch/graph_functions.h"
#include "runtime/engines/torch/program.h"
#include "tests/torch/corpus_case.h"

namespace mrun::test {
namespace {

namespace fs = std::filesystem;
namespace engine = torch_engine;

const fs::path k_corpus = MRUN_TEST_CORPUS_DIR;

bool has(const Json& list, const Json& value) {
  return std::ranges::find(list, value) != list.end();
}

TEST_CASE("every kind of argument that the executor takes is in a program") {
  const Json found = json_of(k_corpus / "kinds.json")["arguments"];
  // Refused wherever they occur, but for as_strings, which no operator of LibTorch takes.
  const std::vector<std::string_view> k_others = {
      "as_strings",   "as_custom_obj", "as_operator", "as_nested_tensors", "as_string_to_argument",
      "as_int_lists", "as_float_lists"};
  for (const std::string_view key : engine::argument_kind_keys()) {
    CAPTURE(key);
    CHECK(has(found, std::string(key)) == (std::ranges::find(k_others, key) == k_others.end()));
  }
}

TEST_CASE("every operator with sub-graphs is in a program") {
  const Json found = json_of(k_corpus / "kinds.json")["targets"];
  for (const engine::HigherOrder& row : engine::k_higher_order) {
    const std::string target = std::string(engine::k_higher_prefix) + std::string(row.name);
    CAPTURE(target);
    CHECK(has(found, target));
  }
}

TEST_CASE("every dtype is in a program") {
  const Json found = json_of(k_corpus / "kinds.json")["dtypes"];
  for (const engine::DtypeRow& row : engine::dtype_rows()) {
    CAPTURE(row.name);
    CHECK(has(found, row.schema_number));
  }
}

TEST_CASE("every part of a signature that needs no custom object or token is in a program") {
  const Json found = json_of(k_corpus / "kinds.json");
  for (const char* kind : {"parameter", "buffer", "tensor_constant", "user_input", "constant_input"}) {
    CAPTURE(kind);
    CHECK(has(found["inputs"], kind));
  }
  for (const char* kind : {"user_output", "buffer_mutation", "user_input_mutation"}) {
    CAPTURE(kind);
    CHECK(has(found["outputs"], kind));
  }
}

} // namespace
} // namespace mrun::test
