#include <doctest/doctest.h>

#include "packager/tests/support_weights.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

std::optional<WeightLayout> layout_of(const std::string& bytes) {
  return read_weight_layout(bytes.size(), reader_of(bytes)).value();
}

std::optional<WeightLayout> header_layout(const std::string& header, std::size_t data_bytes) {
  return layout_of(safetensors_of(header, std::string(data_bytes, 'd')));
}

} // namespace

TEST_CASE("safetensors: tensors by offset, with type, shape and place") {
  const auto layout = header_layout(
      R"({"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[8,20]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"format":"pt"}})",
      20);
  REQUIRE(layout);
  CHECK(layout->format == WeightFormat::safetensors);
  REQUIRE(layout->tensors.size() == 2);
  CHECK(layout->tensors[0].name == "a");
  CHECK(layout->tensors[1].name == "b");
  CHECK(layout->tensors[1].dtype == "BF16");
  CHECK(layout->tensors[1].shape == std::vector<std::uint64_t>{2, 3});
  CHECK(layout->tensors[1].offset == layout->tensors[0].offset + 8);
  CHECK(layout->tensors[1].size_bytes == 12);
}

TEST_CASE("safetensors: scalars, empty tensors, half bytes and no tensors are taken") {
  CHECK(header_layout(R"({"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})", 8));
  CHECK(header_layout(R"({"a":{"dtype":"I64","shape":[0],"data_offsets":[0,0]}})", 0));
  CHECK(header_layout(R"({"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}})", 2));
  CHECK(header_layout("{}", 0));
}

TEST_CASE("safetensors: what breaks a rule is bytes like any other") {
  for (
      const char* header : {
          R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})",   // shape and offsets disagree
          R"({"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}})",   // no such type
          R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}})",  // past the end
          R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",   // a gap behind
          R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",   // a gap before
          R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})",   // backwards
          R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})",  // negative
          R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", // no integer
          R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})",
          R"({"a":{"dtype":"F4","shape":[15],"data_offsets":[0,8]}})", // half a byte
          R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":{}}})",
          R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})",
          R"({"a":{"dtype":"F32","shape":[2]}})",
          R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
          R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
          R"({"a":[1]})",
          R"({"a":7})",
          R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[18446744073709551608,0]}})",
          R"({"a":)",
          R"({"__metadata__":{"x":{"y":"z"}}})",
      }) {
    CAPTURE(header);
    CHECK_FALSE(header_layout(header, 8));
  }
  CHECK_FALSE(layout_of(safetensors_of(std::string(20'000, '['), "")));
  std::string long_header;
  put_number<std::uint64_t>(long_header, UINT64_MAX);
  CHECK_FALSE(layout_of(long_header + "{}"));
}

TEST_CASE("GGUF: tensors by offset, blocks counted") {
  const std::string bytes = gguf_file({{"general.name", "x"}}, {{"a", std::string(40, 'a')}, {"b", "b"}});
  const auto layout = layout_of(bytes);
  REQUIRE(layout);
  CHECK(layout->format == WeightFormat::gguf);
  REQUIRE(layout->tensors.size() == 2);
  CHECK(layout->tensors[0].dtype == "I8");
  CHECK(layout->tensors[0].size_bytes == 40);
  CHECK(layout->tensors[1].offset == layout->tensors[0].offset + 64);
  CHECK(bytes[static_cast<std::size_t>(layout->tensors[1].offset)] == 'b');
}

TEST_CASE("GGUF: counts, lengths and offsets that lie are bytes like any other") {
  const std::string good = gguf_file({{"general.name", "x"}}, {{"a", std::string(40, 'a')}});
  REQUIRE(layout_of(good));
  // Every byte of the header, set to the ends of its range: an answer always comes, and never a wrong place.
  for (std::size_t i = 4; i < 120; ++i)
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string bad = good;
      bad[i] = value;
      if (const auto layout = layout_of(bad))
        for (const TensorPlace& tensor : layout->tensors)
          CHECK(tensor.offset + tensor.size_bytes <= bad.size());
    }
  constexpr std::size_t k_padding = 24; // behind the last tensor, which may be missing
  for (std::size_t size = 9; size < good.size() - k_padding; ++size)
    CHECK_FALSE(layout_of(good.substr(0, size)));
}

TEST_CASE("other files have no layout; a reading error is one") {
  CHECK_FALSE(layout_of(""));
  CHECK_FALSE(layout_of("GGUF"));
  CHECK_FALSE(layout_of(std::string(100, 'x')));
  const auto broken = read_weight_layout(
      100, [](std::uint64_t, std::uint64_t) -> Result<std::string> { return fail(ErrorCode::io, "no"); });
  CHECK_FALSE(broken);
}
