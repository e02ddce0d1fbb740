#include "tests/torch/corpus_case.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include <doctest/doctest.h>

#include "common/text.h"

namespace mrun::test {
namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  auto bytes = read_file(path, std::size_t{1} << 30, ErrorCode::io, ErrorCode::io);
  REQUIRE_MESSAGE(bytes, path.string());
  return std::move(*bytes);
}

Json json_of(const fs::path& path) {
  auto json = parse_json(contents(path), ErrorCode::io, path.string());
  REQUIRE(json);
  return std::move(*json);
}

GivenTensor read_tensor(const fs::path& folder, const Json& entry) {
  GivenTensor tensor;
  set_dtype(entry["dtype"].get<std::string>(), tensor);
  tensor.shape = entry["shape"].get<std::vector<std::int64_t>>();
  if (entry.contains("file"))
    tensor.bytes = contents(folder / entry["file"].get<std::string>());
  else
    REQUIRE(base64_decode(entry["data"].get<std::string>(), tensor.bytes));
  return tensor;
}

std::string CorpusCase::model() const {
  return fs::exists(folder / "model.pt2") ? folder / "model.pt2" : folder / "model.pt";
}

std::vector<GivenInput> CorpusCase::inputs(std::size_t misalign) const {
  std::vector<GivenInput> result;
  for (const Json& entry : description["inputs"]) {
    GivenInput input;
    input.name = entry["name"];
    input.misalign = misalign;
    if (entry.contains("json"))
      input.json = entry["json"];
    else
      input.tensor = read_tensor(folder, entry);
    result.push_back(std::move(input));
  }
  return result;
}

namespace {

// Largest difference of two float tensors; equal bits count 0, a NaN only beside a NaN.
template<class T>
double difference(const std::string& a, const std::string& b) {
  double largest = 0;
  for (std::size_t i = 0; i + sizeof(T) <= a.size(); i += sizeof(T)) {
    T x, y;
    std::memcpy(&x, a.data() + i, sizeof(T));
    std::memcpy(&y, b.data() + i, sizeof(T));
    if (std::memcmp(&x, &y, sizeof(T)) == 0 || (std::isnan(x) && std::isnan(y))) continue;
    largest = std::max(largest, std::isnan(x) || std::isnan(y)
                                    ? INFINITY
                                    : std::abs(static_cast<double>(x) - static_cast<double>(y)));
  }
  return largest;
}

// IEEE binary16.
double half_value(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) return fraction != 0 ? NAN : sign * INFINITY;
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25));
}

double bfloat_value(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

template<class T>
std::vector<T> elements(const std::string& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

// Empty for a dtype that is not floating.
std::vector<double> floating_values(const GivenTensor& tensor) {
  const std::string type = dtype_text(tensor);
  std::vector<double> values;
  const auto add = [&](const auto& from, auto convert) {
    std::ranges::transform(from, std::back_inserter(values), convert);
  };
  const auto same = [](auto value) { return static_cast<double>(value); };
  if (type == "f32" || type == "c64") add(elements<float>(tensor.bytes), same);
  if (type == "f64" || type == "c128") add(elements<double>(tensor.bytes), same);
  if (type == "f16") add(elements<std::uint16_t>(tensor.bytes), half_value);
  if (type == "bf16") add(elements<std::uint16_t>(tensor.bytes), bfloat_value);
  return values;
}

double largest_relative_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    const double gap = std::abs(a[i] - b[i]) / std::max(1.0, std::abs(b[i]));
    largest = std::max(largest, std::isnan(gap) ? INFINITY : gap);
  }
  return largest;
}

// The output of an entry, with Python's dtype and shape.
const GivenTensor& matching_output(const Json& entry, const GivenTensor& expected,
                                   const std::map<std::string, GivenTensor>& outputs) {
  const auto found = outputs.find(entry["name"].get<std::string>());
  REQUIRE(found != outputs.end());
  CHECK(dtype_text(found->second) == dtype_text(expected));
  REQUIRE(found->second.shape == expected.shape);
  REQUIRE(found->second.bytes.size() == expected.bytes.size());
  return found->second;
}

} // namespace

void check_outputs(const CorpusCase& one, const std::map<std::string, GivenTensor>& outputs,
                   double least_tolerance) {
  const double tolerance = std::max(one.description["tolerance"].get<double>(), least_tolerance);
  CHECK(outputs.size() == one.description["outputs"].size());
  for (const Json& entry : one.description["outputs"]) {
    const std::string name = entry["name"];
    CAPTURE(name);
    const GivenTensor expected = read_tensor(one.folder, entry);
    const GivenTensor& given = matching_output(entry, expected, outputs);
    if (dtype_text(expected) == "f32")
      CHECK(difference<float>(given.bytes, expected.bytes) <= tolerance);
    else if (dtype_text(expected) == "f64")
      CHECK(difference<double>(given.bytes, expected.bytes) <= tolerance);
    else
      CHECK(given.bytes == expected.bytes);
  }
}

void check_outputs_nearly(const CorpusCase& one, const std::map<std::string, GivenTensor>& outputs,
                          double tolerance) {
  CHECK(outputs.size() == one.description["outputs"].size());
  for (const Json& entry : one.description["outputs"]) {
    const std::string name = entry["name"];
    CAPTURE(name);
    const GivenTensor expected = read_tensor(one.folder, entry);
    const GivenTensor& given = matching_output(entry, expected, outputs);
    const std::vector<double> wanted = floating_values(expected);
    if (wanted.empty())
      CHECK(given.bytes == expected.bytes);
    else
      CHECK(largest_relative_difference(floating_values(given), wanted) <= tolerance);
  }
}

std::vector<std::string> case_names(const fs::path& corpus) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(corpus))
    if (fs::exists(entry.path() / "case.json")) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

} // namespace mrun::test
