// Steps that a kernel does at once: which are, and that nobody can tell from the result.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "runtime/steps/tensor_json.h"
#include "runtime/steps/tests/folder_files.h"

using namespace mrun;

namespace {

// Runs `steps` twice, fused and with every temporary kept, and gives both results.
struct Both {
  Namespace fused, single;
  std::size_t fusions = 0;
  Result<void> fused_done, single_done;

  // `temporaries`: the names of what is between the steps.
  Both(const char* text, const Json& temporaries, const Namespace& values, test::TestFiles& files) {
    const Json steps = Json::parse(text);
    const Pipeline together = Pipeline::make(steps, files, "out.0").value();
    const Pipeline apart = Pipeline::make(steps, files, "out.0", temporaries).value();
    fusions = together.fused_count();
    CHECK(apart.fused_count() == 0);
    fused = single = values;
    std::map<std::string, double, std::less<>> metrics;
    StepContext fused_context{fused, metrics}, single_context{single, metrics};
    fused_done = together.run(fused_context);
    single_done = apart.run(single_context);
  }

  // One fusion, and the same output to the last bit.
  void check_same(std::string_view name) const {
    CHECK(fusions == 1);
    REQUIRE(fused_done.has_value());
    REQUIRE(single_done.has_value());
    const StepValue &a = fused.find(name)->second, &b = single.find(name)->second;
    if (const Json* json = std::get_if<Json>(&a)) {
      CHECK(*json == std::get<Json>(b));
      return;
    }
    const Tensor &x = std::get<Tensor>(a), &y = std::get<Tensor>(b);
    CHECK(x.dtype() == y.dtype());
    REQUIRE(x.shape() == y.shape());
    CHECK(std::memcmp(x.data(), y.data(), x.size_bytes()) == 0);
  }
  void check_same_error() const {
    CHECK(fusions == 1);
    REQUIRE_FALSE(fused_done.has_value());
    REQUIRE_FALSE(single_done.has_value());
    CHECK(fused_done.error().code == single_done.error().code);
    CHECK(fused_done.error().message == single_done.error().message);
    CHECK(fused_done.error().notes == single_done.error().notes);
  }
};

Tensor picture(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Tensor pixels = Tensor::make(DType::u8, {height, width, channels}).value();
  std::uint32_t state = 1;
  for (std::uint8_t& byte : pixels.as<std::uint8_t>())
    byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return pixels;
}

Tensor numbers(std::vector<std::int64_t> shape) {
  Tensor out = Tensor::make(DType::f32, std::move(shape)).value();
  std::uint32_t state = 7;
  for (float& value : out.as<float>())
    value = static_cast<float>((state = state * 1664525 + 1013904223) >> 8) * 0x1p-21f - 4;
  return out;
}

constexpr const char* k_resize_crop =
    R"([{"step":"resize","from":"p","shorter_side":40,"filter":"bicubic","to":"a"},{"step":"center_crop","size":[33,35],"to":"b"},
        {"step":"normalize","mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225],"to":"r"}])";

} // namespace

TEST_CASE("fused: resize, center_crop and normalize, any two that end with normalize") {
  test::TestFiles files;
  const Json temporaries = {"a", "b"};
  for (const auto& [height, width] : {std::pair{90, 70}, {70, 90}, {20, 31}, {300, 41}, {40, 40}}) {
    const Namespace values = {{"p", picture(height, width, 3)}};
    Both(k_resize_crop, temporaries, values, files).check_same("r");
    for (
        const char* steps :
        {R"([{"step":"resize","from":"p","size":[17,50],"to":"a"},{"step":"normalize","mean":[0,0,0],"std":[1,2,3],"layout":"nhwc","to":"r"}])",
         R"([{"step":"center_crop","from":"p","size":[64,64],"to":"a"},{"step":"normalize","mean":[0,0,0],"std":[1,2,3],"dtype":"bf16","to":"r"}])"})
      Both(steps, temporaries, values, files).check_same("r");
  }
}

TEST_CASE("fused: a picture that does not fit gives the error of the step at fault") {
  test::TestFiles files;
  const Json temporaries = {"a", "b"};
  Both(k_resize_crop, temporaries, {{"p", picture(60, 50, 4)}}, files).check_same_error();    // normalize
  Both(k_resize_crop, temporaries, {{"p", picture(60'000, 1, 3)}}, files).check_same_error(); // resize
  Both(k_resize_crop, temporaries, {{"p", numbers({4, 4, 3})}}, files).check_same_error();    // resize
  Both(k_resize_crop, temporaries, {{"q", picture(60, 50, 3)}}, files).check_same_error();    // no such value
}

TEST_CASE("fused: mean_pool and l2_normalize") {
  test::TestFiles files;
  constexpr const char* steps =
      R"([{"step":"mean_pool","from":"x","mask":"m","to":"a"},{"step":"l2_normalize","to":"r"}])";
  Namespace values = {{"x", numbers({3, 9, 50})}, {"m", Tensor::make(DType::i64, {3, 9}).value()}};
  for (std::size_t i = 0; i < 27; ++i)
    std::get<Tensor>(values["m"]).as<std::int64_t>()[i] = i % 4 == 0 || i > 17 ? 0 : 1;
  Both(steps, Json{"a"}, values, files).check_same("r");
  values["m"] = numbers({3, 8});
  Both(steps, Json{"a"}, values, files).check_same_error();
}

TEST_CASE("fused: softmax and top_k") {
  test::TestFiles files;
  constexpr const char* steps =
      R"([{"step":"softmax","from":"x","axis":-1,"to":"a"},{"step":"top_k","k":"$n","to":"r"}])";
  Namespace values = {{"x", numbers({1, 300})}, {"n", Json(7)}};
  Both(steps, Json{"a"}, values, files).check_same("r");
  values["x"] = numbers({4, 30});
  Both(steps, Json{"a"}, values, files).check_same("r");
  std::get<Tensor>(values["x"]).as<float>()[31] = std::nanf("");
  Both(steps, Json{"a"}, values, files).check_same("r");
  values["n"] = Json(0);
  Both(steps, Json{"a"}, values, files).check_same_error();
  values["x"] = numbers({2, 2, 3});
  values["n"] = Json(1);
  Both(steps, Json{"a"}, values, files).check_same_error();
}

TEST_CASE("fused: along another axis the steps run one by one") {
  test::TestFiles files;
  constexpr const char* steps =
      R"([{"step":"softmax","from":"x","axis":0,"to":"a"},{"step":"top_k","k":2,"to":"r"}])";
  Both(steps, Json{"a"}, {{"x", numbers({4, 30})}}, files).check_same("r");
}

TEST_CASE("fused: not where a value in between is read or seen") {
  test::TestFiles files;
  const auto fusions = [&](const char* steps, const Json& later = Json()) {
    return Pipeline::make(Json::parse(steps), files, "x", later)->fused_count();
  };
  constexpr const char* k_pool = R"([{"step":"mean_pool","to":"a"},{"step":"l2_normalize","to":"r"}])";
  CHECK(fusions(k_pool) == 1);
  CHECK(fusions(k_pool, Json::parse(R"([{"step":"cast","from":"a"}])")) == 0);
  CHECK(fusions(R"([{"step":"mean_pool","to":"in.a"},{"step":"l2_normalize","to":"r"}])") == 0);
  CHECK(fusions(R"([{"step":"mean_pool","to":"output"},{"step":"l2_normalize","to":"r"}])") == 0);
  CHECK(
      fusions(
          R"([{"step":"mean_pool","to":"a"},{"step":"l2_normalize","to":"r"},{"step":"cast","dtype":"f16","from":"a"}])") ==
      0);
  CHECK(fusions(R"([{"step":"mean_pool","to":"a"},{"step":"l2_normalize","from":"x","to":"r"}])") == 0);
  CHECK(fusions(R"([{"step":"mean_pool"},{"step":"l2_normalize"}])") == 1);
  CHECK(fusions(R"([{"step":"l2_normalize"},{"step":"mean_pool"}])") == 0);
  // The value in between crop and normalize is seen, the one before is not: nothing can be done at once.
  CHECK(
      fusions(
          R"([{"step":"resize","size":[4,4],"to":"a"},{"step":"center_crop","size":[2,2],"to":"b"},{"step":"normalize","mean":[0],"std":[1]}])",
          Json{"b"}) == 0);
  CHECK(
      fusions(
          R"([{"step":"resize","size":[4,4],"to":"a"},{"step":"center_crop","size":[2,2],"to":"b"},{"step":"normalize","mean":[0],"std":[1]}])",
          Json{"a"}) == 1);
}
