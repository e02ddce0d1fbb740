#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "common/json.h"
#include "runtime/tensor_json.h"

using namespace mrun;

namespace {

template<class T>
Tensor tensor_of(DType type, std::vector<std::int64_t> shape, const std::vector<T>& values) {
  auto tensor = Tensor::make(type, std::move(shape));
  REQUIRE(tensor);
  REQUIRE(tensor->size_bytes() == values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(tensor->data(), values.data(), values.size() * sizeof(T));
  return *tensor;
}

std::string json_of(const Tensor& tensor) {
  std::string out;
  append_tensor_json(tensor, tensor.shape(), out);
  return out;
}

} // namespace

TEST_CASE("every dtype has its JSON") {
  CHECK(json_of(tensor_of<float>(DType::f32, {2, 2}, {0.1F, -2, 1e20F, 0.0F})) == "[[0.1,-2.0],[1e+20,0.0]]");
  CHECK(json_of(tensor_of<double>(DType::f64, {2}, {0.1, 1.0 / 3})) == "[0.1,0.3333333333333333]");
  CHECK(json_of(tensor_of<std::uint16_t>(DType::f16, {4}, {0x3c00, 0xc000, 0x7c00, 0x0001})) ==
        "[1.0,-2.0,null,5.9604645e-08]");
  CHECK(json_of(tensor_of<std::uint16_t>(DType::bf16, {2}, {0x3f80, 0xbf00})) == "[1.0,-0.5]");
  CHECK(json_of(tensor_of<std::int8_t>(DType::i8, {2}, {-128, 127})) == "[-128,127]");
  CHECK(json_of(tensor_of<std::int16_t>(DType::i16, {1}, {-300})) == "[-300]");
  CHECK(json_of(tensor_of<std::int32_t>(DType::i32, {1}, {-70000})) == "[-70000]");
  CHECK(json_of(tensor_of<std::int64_t>(DType::i64, {1}, {INT64_MIN})) == "[-9223372036854775808]");
  CHECK(json_of(tensor_of<std::uint8_t>(DType::u8, {2}, {0, 255})) == "[0,255]");
  CHECK(json_of(tensor_of<std::uint8_t>(DType::boolean, {2}, {0, 1})) == "[false,true]");
}

TEST_CASE("shapes: scalars, empty axes, the batch axis") {
  CHECK(json_of(tensor_of<float>(DType::f32, {}, {2.5F})) == "2.5");
  CHECK(json_of(tensor_of<float>(DType::f32, {0}, {})) == "[]");
  CHECK(json_of(tensor_of<float>(DType::f32, {2, 0}, {})) == "[[],[]]");
  const Tensor batch = tensor_of<float>(DType::f32, {1, 2}, {1, 2});
  std::string out;
  append_tensor_json(batch, example_shape(batch), out);
  CHECK(out == "[1.0,2.0]");
  const Tensor single = tensor_of<float>(DType::f32, {1}, {1});
  CHECK(example_shape(single).size() == 1);
}

TEST_CASE("what JSON can't carry is null") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(json_of(tensor_of<float>(DType::f32, {3}, {inf, -inf, nan})) == "[null,null,null]");
}

TEST_CASE("random floats read back as themselves") {
  std::mt19937 random(7);
  std::vector<float> values;
  while (values.size() < 20'000)
    if (const float value = std::bit_cast<float>(static_cast<std::uint32_t>(random())); std::isfinite(value))
      values.push_back(value);
  const Json json =
      Json::parse(json_of(tensor_of(DType::f32, {static_cast<std::int64_t>(values.size())}, values)));
  for (std::size_t i = 0; i < values.size(); ++i)
    REQUIRE(json[i].get<float>() == values[i]);
}
