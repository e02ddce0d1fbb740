// One case of the corpus: a model file, inputs, and what Python gave (make_corpus.py).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "common/json.h"
#include "tests/torch/fake_host.h"

namespace mrun::test {

std::string contents(const std::filesystem::path& path);
Json json_of(const std::filesystem::path& path);
// From a file of `folder`, or from the entry itself.
GivenTensor read_tensor(const std::filesystem::path& folder, const Json& entry);

struct CorpusCase {
  std::filesystem::path folder;
  Json description;

  explicit CorpusCase(const std::filesystem::path& at) : folder(at), description(json_of(at / "case.json")) {}
  std::string model() const;
  std::vector<GivenInput> inputs(std::size_t misalign = 0) const;
};

// Folders of `corpus` that hold a case, sorted.
std::vector<std::string> case_names(const std::filesystem::path& corpus);

// Names, dtypes and shapes are Python's; f32 and f64 within the case's tolerance or `least_tolerance`, the
// rest equal.
void check_outputs(const CorpusCase& one, const std::map<std::string, GivenTensor>& outputs,
                   double least_tolerance = 0);
// The same for another device, whose kernels add in another order: every floating dtype within `tolerance` of
// the larger of 1 and the value; integers and booleans equal.
void check_outputs_nearly(const CorpusCase& one, const std::map<std::string, GivenTensor>& outputs,
                          double tolerance);

} // namespace mrun::test
