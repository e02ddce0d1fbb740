#include <cmath>
#include <complex>

#include <doctest/doctest.h>

#include "runtime/media/npy.h"
#include "runtime/media/safetensors.h"
#include "runtime/media/tests/damage.h"

using namespace mrun;

namespace {

Tensor counting(DType type, std::vector<std::int64_t> shape) {
  Tensor tensor = Tensor::make(type, std::move(shape)).value();
  auto* bytes = static_cast<unsigned char*>(tensor.data());
  for (std::size_t i = 0; i < tensor.size_bytes(); ++i)
    bytes[i] = static_cast<unsigned char>(type == DType::boolean ? i % 2 : i);
  return tensor;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::string_view(static_cast<const char*>(a.data()), a.size_bytes()) ==
             std::string_view(static_cast<const char*>(b.data()), b.size_bytes());
}

std::string npy(std::string_view header, std::string_view data = {}) {
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(header.size() & 255);
  out += static_cast<char>(header.size() >> 8);
  return out.append(header).append(data);
}

std::string safetensors(std::string_view header, std::string_view data = {}) {
  std::string out;
  for (std::size_t i = 0; i < 8; ++i)
    out += static_cast<char>(header.size() >> (8 * i) & 255);
  return out.append(header).append(data);
}

std::string why(const Result<Tensor>& result) {
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::input_file);
  return result.error().message;
}

constexpr DType k_types[] = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8,
                             DType::i16, DType::i32, DType::i64, DType::u8,   DType::boolean,
                             DType::u16, DType::u32, DType::u64, DType::c64};
constexpr DType k_f8_types[] = {DType::f8_e4m3fn, DType::f8_e5m2, DType::f8_e4m3fnuz, DType::f8_e5m2fnuz,
                                DType::f8_e8m0fnu};
const std::vector<std::vector<std::int64_t>> k_shapes = {{}, {0}, {3}, {2, 0, 5}, {2, 3, 4}};

} // namespace

TEST_CASE("npy: the bytes that NumPy writes") {
  const std::string file = write_npy(counting(DType::u8, {3})).value();
  CHECK(file == npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }" +
                        std::string(128 - 10 - 57 - 1, ' ') + "\n",
                    std::string("\0\1\2", 3)));
}

TEST_CASE("npy and safetensors come back as they were") {
  for (const DType type : k_types)
    for (const auto& shape : k_shapes) {
      CAPTURE(dtype_name(type));
      const Tensor tensor = counting(type, shape);
      if (type != DType::bf16) CHECK(same(read_npy(write_npy(tensor).value()).value(), tensor));
      const std::vector<std::pair<std::string, Tensor>> both = {{"first", tensor},
                                                                {"second", counting(DType::i32, {2})}};
      const std::string file = write_safetensors(both).value();
      CHECK(same(read_safetensors(file, "first").value(), tensor));
      CHECK(same(read_safetensors(file, "second").value(), both[1].second));
    }
  CHECK(read_npy(write_npy(counting(DType::bf16, {2})).value()).value().dtype() == DType::f32);
}

TEST_CASE("the rarer types: what a file format has is kept, what it lacks is widened or refused") {
  const Tensor large = counting(DType::c128, {2, 2});
  CHECK(same(read_npy(write_npy(large).value()).value(), large));
  const auto refused = write_safetensors(std::vector<std::pair<std::string, Tensor>>{{"x", large}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "`x` is c128, which safetensors lacks");
  Tensor half = Tensor::make(DType::c32, {1}).value();
  half.as<std::uint32_t>()[0] = 0xc0003c00; // 1 - 2i
  const Tensor wide = read_npy(write_npy(half).value()).value();
  CHECK(wide.as<std::complex<float>>()[0] == std::complex<float>(1, -2));
  for (const DType type : {DType::f8_e4m3fn, DType::f8_e5m2, DType::f8_e8m0fnu}) {
    const Tensor tensor = counting(type, {3});
    const auto file = write_safetensors(std::vector<std::pair<std::string, Tensor>>{{"x", tensor}});
    CHECK(same(read_safetensors(file.value(), "x").value(), tensor));
    CHECK(read_npy(write_npy(tensor).value()).value().dtype() == DType::f32);
  }
}

TEST_CASE("floats of a byte have PyTorch's values") {
  struct Expected { // of torch 2.14.1: all 256 bytes, viewed as the type, as doubles
    int nans, infinities;
    double weighted_sum; // of the finite ones, times byte + 1
    float at_1, at_8, at_3c, at_81;
  };
  constexpr Expected k_expected[] = {{2, 0, -692208.0, 0x1p-9F, 0x1p-6F, 1.5F, -0x1p-9F},
                                     {6, 2, -46137343.96875, 0x1p-16F, 0x1p-13F, 1.0F, -0x1p-16F},
                                     {1, 0, -376824.0, 0x1p-10F, 0x1p-7F, 0.75F, -0x1p-10F},
                                     {1, 0, -46137343.984375, 0x1p-17F, 0x1p-14F, 0.5F, -0x1p-17F},
                                     {1, 0, 8.643172119791838e+40, 0x1p-126F, 0x1p-119F, 0x1p-67F, 4.0F}};
  for (std::size_t i = 0; i < std::size(k_f8_types); ++i) {
    CAPTURE(dtype_name(k_f8_types[i]));
    const Expected& expected = k_expected[i];
    int nans = 0, infinities = 0;
    double sum = 0;
    for (int byte = 0; byte < 256; ++byte) {
      const float value = f8_to_f32(k_f8_types[i], static_cast<std::uint8_t>(byte));
      nans += std::isnan(value) ? 1 : 0;
      infinities += std::isinf(value) ? 1 : 0;
      sum += std::isfinite(value) ? static_cast<double>(value) * (byte + 1) : 0;
    }
    CHECK(nans == expected.nans);
    CHECK(infinities == expected.infinities);
    CHECK(sum == doctest::Approx(expected.weighted_sum).epsilon(1e-12));
    CHECK(f8_to_f32(k_f8_types[i], 1) == expected.at_1);
    CHECK(f8_to_f32(k_f8_types[i], 8) == expected.at_8);
    CHECK(f8_to_f32(k_f8_types[i], 0x3c) == expected.at_3c);
    CHECK(f8_to_f32(k_f8_types[i], 0x81) == expected.at_81);
  }
}

TEST_CASE("npy: Fortran order, Python 2 numbers, other versions") {
  const Tensor tensor = read_npy(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2L, 3L)}",
                                     std::string("\0\3\1\4\2\5", 6)))
                            .value();
  CHECK(same(tensor, counting(DType::u8, {2, 3})));
  std::string second = write_npy(counting(DType::u8, {2})).value();
  second[6] = 2;
  second.insert(10, 2, '\0');
  CHECK(same(read_npy(second).value(), counting(DType::u8, {2})));
}

TEST_CASE("npy: broken headers say what is wrong") {
  CHECK(why(read_npy("")).find("does not begin with") != std::string::npos);
  CHECK(why(read_npy(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "1234")))
            .find("is 8 bytes, the file has 4") != std::string::npos);
  CHECK(why(read_npy(npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", "1234")))
            .find("`>f4` is not read") != std::string::npos);
  CHECK(why(read_npy(npy("{'descr': '|O', 'fortran_order': False, 'shape': ()}"))).find("`|O`") !=
        std::string::npos);
  CHECK(why(read_npy(npy("{'descr': [('a','<f4')], 'fortran_order': False, 'shape': ()}")))
            .find("not understood") != std::string::npos);
  CHECK(
      why(read_npy(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"))).find("not understood") !=
      std::string::npos);
  CHECK(why(read_npy(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, "
                         "4611686018427387904)}")))
            .find("too large") != std::string::npos);
  CHECK(why(read_npy(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000,)}")))
            .find("is 8000000000 bytes, the file has 0") != std::string::npos);
  // nothing is allocated for what the file can't hold
  CHECK(why(read_npy(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1073741824,)}", "1")))
            .find("is 1073741824 bytes, the file has 1") != std::string::npos);
  CHECK(why(read_npy(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff{}", 14))).find("at most 65536") !=
        std::string::npos);
  CHECK(why(read_npy(std::string("\x93NUMPY\x09\x00\x02\x00{}", 12))).find("version 9") != std::string::npos);
}

TEST_CASE("safetensors: broken headers say what is wrong") {
  CHECK(why(read_safetensors("1234", "")).find("fewer than 8") != std::string::npos);
  CHECK(why(read_safetensors(std::string(8, '\xff'), "")).find("a header at most") != std::string::npos);
  CHECK(why(read_safetensors(safetensors("{"), "")).find("not valid JSON") != std::string::npos);
  CHECK(why(read_safetensors(safetensors("[]"), "")).find("no object") != std::string::npos);
  CHECK(why(read_safetensors(safetensors("{}"), "")).find("0 tensors") != std::string::npos);
  CHECK(why(read_safetensors(safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "1234"),
                             "a"))
            .find("its shape needs 8 bytes") != std::string::npos);
  CHECK(why(read_safetensors(
                safetensors(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "12345678"), "a"))
            .find("gap or an overlap at byte 0") != std::string::npos);
  CHECK(why(read_safetensors(
                safetensors(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "12345678"), "a"))
            .find("belong to no tensor") != std::string::npos);
  CHECK(
      why(read_safetensors(safetensors(R"({"a":{"dtype":"F8","shape":[],"data_offsets":[0,1]}})", "1"), "a"))
          .find("not read") != std::string::npos);
  CHECK(
      why(read_safetensors(
              safetensors(
                  R"({"a":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,4]}})",
                  "1234"),
              "a"))
          .find("too large") != std::string::npos);
  const auto unknown = read_safetensors(
      safetensors(R"({"weight":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{"a":"b"}})",
                  "1"),
      "weigth");
  CHECK(why(unknown).find("no tensor `weigth`") != std::string::npos);
  CHECK(unknown.error().hint == "did you mean `weight`?");
}

TEST_CASE("damaged tensor files give a tensor or input_file") {
  const std::string first = write_npy(counting(DType::i16, {3, 2})).value();
  const std::vector<std::pair<std::string, Tensor>> named = {{"a", counting(DType::f32, {2, 2})},
                                                             {"b", counting(DType::i64, {1})}};
  const std::string second = write_safetensors(named).value();
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    const auto npy_result = read_npy(test::Damage(seed).apply(first));
    REQUIRE((npy_result || npy_result.error().code == ErrorCode::input_file));
    const auto result = read_safetensors(test::Damage(seed).apply(second), "a");
    REQUIRE((result || result.error().code == ErrorCode::input_file));
  }
}
