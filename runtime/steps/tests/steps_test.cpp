// Each step: what it gives, which options it refuses, which inputs it refuses.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "runtime/media/npy.h"
#include "runtime/steps/tensor_json.h"
#include "runtime/steps/tests/folder_files.h"

using namespace mrun;

namespace {

struct Run {
  Namespace values;
  std::map<std::string, double, std::less<>> metrics;
  test::TestFiles files;

  Result<void> steps(const char* text) {
    MRUN_ASSIGN(const Pipeline pipeline, Pipeline::make(Json::parse(text), files, "out.0"));
    StepContext context{values, metrics};
    return pipeline.run(context);
  }
  // Runs and gives the value as JSON.
  Json get(const char* text, std::string_view name = "r") {
    const auto done = steps(text);
    if (!done) FAIL(done.error().message);
    const StepValue& value = values.find(name)->second;
    if (const Tensor* tensor = std::get_if<Tensor>(&value)) return tensor_to_json(*tensor).value();
    return std::get<Json>(value);
  }
  Error error(const char* text) {
    const auto done = steps(text);
    REQUIRE_FALSE(done.has_value());
    return done.error();
  }
  void put(std::string name, const char* json, DType type = DType::f32) {
    values.insert_or_assign(std::move(name), tensor_from_json(Json::parse(json), type).value());
  }
};

} // namespace

TEST_CASE("resize: torchvision's longer side, both sizes, limits") {
  Run run;
  const auto shape = [&](const char* step) {
    (void)run.get(step);
    return std::get<Tensor>(run.values.find("r")->second).shape();
  };
  run.values["p"] = Tensor::make(DType::u8, {400, 600, 3}).value();
  CHECK(shape(R"([{"step":"resize","from":"p","shorter_side":256,"to":"r"}])") ==
        std::vector<std::int64_t>{256, 384, 3});
  run.values["p"] = Tensor::make(DType::u8, {333, 250, 1}).value();
  CHECK(shape(R"([{"step":"resize","from":"p","shorter_side":100,"to":"r"}])") ==
        std::vector<std::int64_t>{133, 100, 1});
  CHECK(shape(R"([{"step":"resize","from":"p","size":[7,9],"filter":"lanczos","to":"r"}])") ==
        std::vector<std::int64_t>{7, 9, 1});
  run.values["p"] = Tensor::make(DType::u8, {60'000, 1, 3}).value();
  CHECK(run.error(R"([{"step":"resize","from":"p","shorter_side":256,"to":"r"}])").code ==
        ErrorCode::input_file);
  run.put("p", "[[1.0]]");
  CHECK(run.error(R"([{"step":"resize","from":"p","shorter_side":2,"to":"r"}])").message ==
        "f32 [1, 1] are no pixels: u8 [height, width, channels] is needed");
}

TEST_CASE("center_crop: halves to the even number, zeros around a small picture") {
  Run run;
  run.put("p", "[[[0],[1],[2],[3],[4]]]", DType::u8);
  CHECK(run.get(R"([{"step":"center_crop","from":"p","size":[1,2],"to":"r"}])") ==
        Json::parse("[[[2],[3]]]")); // 1.5 -> 2
  CHECK(run.get(R"([{"step":"center_crop","from":"p","size":[1,4],"to":"r"}])") ==
        Json::parse("[[[0],[1],[2],[3]]]")); // 0.5 -> 0
  CHECK(run.get(R"([{"step":"center_crop","from":"p","size":[2,8],"to":"r"}])") ==
        Json::parse("[[[0],[0],[1],[2],[3],[4],[0],[0]],[[0],[0],[0],[0],[0],[0],[0],[0]]]"));
}

TEST_CASE("normalize: layouts and channels") {
  Run run;
  run.put("p", "[[[0,255],[51,102]]]", DType::u8);
  CHECK(run.get(R"([{"step":"normalize","from":"p","mean":[0,0],"std":[1,0.5],"to":"r"}])") ==
        Json::parse("[[[0.0,0.2]],[[2.0,0.8]]]"));
  CHECK(run.get(R"([{"step":"normalize","from":"p","mean":[0,0],"std":[1,0.5],"layout":"nhwc","to":"r"}])") ==
        Json::parse("[[[0.0,2.0],[0.2,0.8]]]"));
  CHECK(run.error(R"([{"step":"normalize","from":"p","mean":[0],"std":[1],"to":"r"}])")
            .message.find("has 2 channels") != std::string::npos);
}

TEST_CASE("softmax, argmax, l2_normalize over axes") {
  Run run;
  run.put("x", "[[0,0],[0,1000]]");
  CHECK(run.get(R"([{"step":"softmax","from":"x","to":"r"}])") == Json::parse("[[0.5,0.5],[0.0,1.0]]"));
  CHECK(run.get(R"([{"step":"softmax","from":"x","axis":0,"to":"r"}])") ==
        Json::parse("[[0.5,0.0],[0.5,1.0]]"));
  CHECK(run.error(R"([{"step":"softmax","from":"x","axis":2,"to":"r"}])").code ==
        ErrorCode::prediction_failed);
  run.put("x", "[[1,3,3],[2,1,0]]", DType::i32);
  CHECK(run.get(R"([{"step":"argmax","from":"x","to":"r"}])") == Json::parse("[1,0]"));
  CHECK(run.get(R"([{"step":"argmax","from":"x","axis":0,"to":"r"}])") == Json::parse("[1,0,0]"));
  run.put("x", "[[3,4],[0,0]]");
  CHECK(run.get(R"([{"step":"l2_normalize","from":"x","to":"r"}])") == Json::parse("[[0.6,0.8],[0.0,0.0]]"));
  run.values["x"] = Tensor::make(DType::f32, {}).value();
  CHECK(run.error(R"([{"step":"l2_normalize","from":"x","to":"r"}])").code == ErrorCode::prediction_failed);
  run.values["x"] = Tensor::make(DType::f32, {2, 0}).value();
  CHECK(run.error(R"([{"step":"argmax","from":"x","to":"r"}])").message.find("the axis is empty") !=
        std::string::npos);
}

TEST_CASE("top_k: labels, an input as k, ties, batches") {
  Run run;
  run.files.files["labels.txt"] = "cat\r\ndog\nbird\n";
  run.values["n"] = Json(2);
  run.put("x", "[[0.25,0.5,0.25]]");
  CHECK(run.get(R"([{"step":"top_k","from":"x","k":"$n","labels":"labels.txt","to":"r"}])") ==
        Json::parse(R"([{"label":"dog","score":0.5},{"label":"cat","score":0.25}])"));
  CHECK(run.get(R"([{"step":"top_k","from":"x","k":9,"to":"r"}])") ==
        Json::parse(R"([{"index":1,"score":0.5},{"index":0,"score":0.25},{"index":2,"score":0.25}])"));
  run.put("x", "[[1,2],[4,3]]");
  CHECK(run.get(R"([{"step":"top_k","from":"x","k":1,"to":"r"}])") ==
        Json::parse(R"([[{"index":1,"score":2.0}],[{"index":0,"score":4.0}]])"));
  CHECK(run.error(R"([{"step":"top_k","from":"x","k":1,"labels":"labels.txt","to":"r"}])")
            .message.find("3 labels for 2 scores") != std::string::npos);
  CHECK(run.error(R"([{"step":"top_k","from":"x","k":"$nothing","to":"r"}])")
            .message.find("the input `nothing`") != std::string::npos);
  run.values["n"] = Json(0);
  CHECK(run.error(R"([{"step":"top_k","from":"x","k":"$n","to":"r"}])").message.find("`k` is 0") !=
        std::string::npos);
  CHECK(run.error(R"([{"step":"top_k","from":"x","k":1,"labels":"none.txt","to":"r"}])").code ==
        ErrorCode::load_failed);
  run.files.files["labels.txt"] = "\xff";
  CHECK(run.error(R"([{"step":"top_k","from":"x","k":1,"labels":"labels.txt","to":"r"}])").code ==
        ErrorCode::manifest_step);
  run.values["x"] = Tensor::make(DType::f32, {20'000, 10}).value();
  CHECK(run.error(R"([{"step":"top_k","from":"x","k":10,"to":"r"}])").code == ErrorCode::output_limit);
}

TEST_CASE("mean_pool: mask, no mask, a mask that does not fit") {
  Run run;
  run.put("x", "[[[1,2],[3,4],[9,9]]]");
  run.put("m", "[[1,1,0]]", DType::i64);
  CHECK(run.get(R"([{"step":"mean_pool","from":"x","mask":"m","to":"r"}])") == Json::parse("[[2.0,3.0]]"));
  run.put("m", "[[1,1]]", DType::i64);
  CHECK(run.error(R"([{"step":"mean_pool","from":"x","mask":"m","to":"r"}])")
            .message.find("has shape [1, 2], [1, 3] is needed") != std::string::npos);
  run.put("x", "[[1,2],[3,4]]");
  CHECK(run.get(R"([{"step":"mean_pool","from":"x","to":"r"}])") == Json::parse("[2.0,3.0]"));
  run.put("x", "[1]");
  CHECK(run.error(R"([{"step":"mean_pool","from":"x","to":"r"}])").code == ErrorCode::prediction_failed);
}

TEST_CASE("the rarer types go through JSON: unsigned, complex; what has no rule is refused") {
  const auto there_and_back = [](const char* text, DType type) {
    return tensor_to_json(tensor_from_json(Json::parse(text), type).value()).value();
  };
  CHECK(there_and_back("[1, 18446744073709551615]", DType::u64) == Json::parse("[1, 18446744073709551615]"));
  for (const DType type : {DType::c32, DType::c64, DType::c128}) {
    CHECK(there_and_back("[[1.5, -2], [0, 1]]", type) == Json::parse("[[1.5, -2], [0, 1]]"));
    CHECK(there_and_back("[3, 4]", type) == Json::parse("[3, 4]"));
  }
  const auto refusal = [](const char* text, DType type) {
    const auto tensor = tensor_from_json(Json::parse(text), type);
    REQUIRE_FALSE(tensor);
    CHECK(tensor.error().code == ErrorCode::input_type);
    return tensor.error().message;
  };
  CHECK(refusal("[1, 2, 3]", DType::c64).find("is no complex number") != std::string::npos);
  CHECK(refusal("5", DType::c64).find("is no complex number") != std::string::npos);
  CHECK(refusal("[1]", DType::f8_e5m2).find("no rule to round") != std::string::npos);
  CHECK(refusal("[65536]", DType::u16) == "at [0]: 65536 is no u16");
  CHECK(refusal("[-1]", DType::u64) == "at [0]: -1 is no u64");
  Run run;
  run.put("x", "[3, 65535]", DType::u16);
  CHECK(run.get(R"([{"step":"cast","from":"x","dtype":"f64","to":"r"}])") == Json::parse("[3, 65535]"));
  run.put("x", "[3, 4]", DType::c64);
  CHECK(run.error(R"([{"step":"cast","from":"x","dtype":"f32","to":"r"}])").message.find("real numbers") !=
        std::string::npos);
  CHECK(
      run.error(R"([{"step":"cast","from":"x","dtype":"c128","to":"r"}])").message.find("nothing is cast") !=
      std::string::npos);
}

TEST_CASE("cast: cutting, clamping, wrapping, halves") {
  Run run;
  Tensor x = Tensor::make(DType::f32, {5}).value();
  const float values[] = {-1.9f, 2.9f, 1e20f, -1e20f, std::numeric_limits<float>::quiet_NaN()};
  std::copy(std::begin(values), std::end(values), x.as<float>().begin());
  run.values["x"] = x;
  CHECK(run.get(R"([{"step":"cast","from":"x","dtype":"i8","to":"r"}])") == Json::parse("[-1,2,127,-128,0]"));
  CHECK(run.get(R"([{"step":"cast","from":"x","dtype":"i64","to":"r"}])") ==
        Json::parse("[-1,2,9223372036854775807,-9223372036854775808,0]"));
  CHECK(run.get(R"([{"step":"cast","from":"x","dtype":"bool","to":"r"}])") ==
        Json::parse("[true,true,true,true,true]"));
  CHECK(
      run.get(R"([{"step":"cast","from":"x","dtype":"f16","to":"h"},{"step":"cast","dtype":"f64","to":"r"}])")
          [0] == doctest::Approx(-1.9).epsilon(0.001));
  run.put("x", "[300,-1]", DType::i32);
  CHECK(run.get(R"([{"step":"cast","from":"x","dtype":"u8","to":"r"}])") == Json::parse("[44,255]"));
  CHECK(run.error(R"([{"step":"cast","from":"x","to":"r"}])").message ==
        "step `cast`: option `dtype` is missing");
  CHECK(run.error(R"([{"step":"cast","from":"x","dtype":"f8","to":"r"}])").message.find("it can be `f32`") !=
        std::string::npos);
}

TEST_CASE("reshape") {
  Run run;
  run.put("x", "[[1,2,3],[4,5,6]]");
  CHECK(run.get(R"([{"step":"reshape","from":"x","shape":[-1,2],"to":"r"}])") ==
        Json::parse("[[1.0,2.0],[3.0,4.0],[5.0,6.0]]"));
  CHECK(run.error(R"([{"step":"reshape","from":"x","shape":[-1,4],"to":"r"}])").message ==
        "a tensor of shape [2, 3] can't become [-1, 4]");
  CHECK(run.error(R"([{"step":"reshape","from":"x","shape":[0,-1],"to":"r"}])").code ==
        ErrorCode::prediction_failed);
  CHECK(run.error(R"([{"step":"reshape","from":"x","shape":[-1,-1],"to":"r"}])").code ==
        ErrorCode::manifest_step);
  CHECK(run.error(R"([{"step":"reshape","from":"x","shape":[1000000000000000,1000000000000000],"to":"r"}])")
            .code == ErrorCode::prediction_failed);
}

TEST_CASE("from_json: types, ragged lists, shapes") {
  Run run;
  const auto with = [&](const char* json, const char* step) {
    run.values["x"] = Json::parse(json);
    return run.error(step);
  };
  run.values["x"] = Json::parse("[[1,2],[3,4]]");
  CHECK(run.get(R"([{"step":"from_json","from":"x","dtype":"i64","shape":[-1,2],"to":"r"}])") ==
        Json::parse("[[1,2],[3,4]]"));
  CHECK(with("[[1,2],[3]]", R"([{"step":"from_json","from":"x","to":"r"}])").message ==
        "at [1]: a list has 1 items, the first one beside it has 2");
  CHECK(with("[1,[2]]", R"([{"step":"from_json","from":"x","to":"r"}])").code == ErrorCode::input_type);
  CHECK(with("[[1],2]", R"([{"step":"from_json","from":"x","to":"r"}])").code == ErrorCode::input_type);
  CHECK(with("[300]", R"([{"step":"from_json","from":"x","dtype":"u8","to":"r"}])").message ==
        "at [0]: 300 is no u8");
  CHECK(with("[1.5]", R"([{"step":"from_json","from":"x","dtype":"i32","to":"r"}])").code ==
        ErrorCode::input_type);
  CHECK(with("[\"a\"]", R"([{"step":"from_json","from":"x","to":"r"}])").code == ErrorCode::input_type);
  CHECK(with("[1]", R"([{"step":"from_json","from":"x","dtype":"bool","to":"r"}])").code ==
        ErrorCode::input_type);
  CHECK(with("[1]", R"([{"step":"from_json","from":"x","shape":[2],"to":"r"}])").message ==
        "`x` has shape [1], the model takes [2]");
  CHECK(with("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", R"([{"step":"from_json","from":"x","to":"r"}])")
            .message.find("more than 16 deep") != std::string::npos);
}

TEST_CASE("tensors as files and back, without the batch axis") {
  Run run;
  run.put("x", "[[1,2,3]]");
  REQUIRE(run.steps(R"([{"step":"to_npy","from":"x","to":"f"},{"step":"from_npy","to":"r"},
                        {"step":"to_safetensors","tensors":{"a":"x","b":"r"},"batch":"keep","to":"s"},
                        {"step":"from_safetensors","tensor":"a","shape":[1,3],"to":"back"},
                        {"step":"to_json","from":"x","to":"j"}])"));
  CHECK(std::get<Tensor>(run.values.find("r")->second).shape() == std::vector<std::int64_t>{3});
  CHECK(std::get<Tensor>(run.values.find("back")->second).shape() == std::vector<std::int64_t>{1, 3});
  CHECK(std::get<Json>(run.values.find("j")->second) == Json::parse("[1.0,2.0,3.0]"));
  CHECK(std::get<MadeFile>(run.values.find("f")->second).media_type == "application/x-npy");
  CHECK(run.error(R"([{"step":"from_npy","from":"x","to":"r"}])").message.find("a file is needed") !=
        std::string::npos);
  run.values["f"] = FileBytes{"x.npy", "junk"};
  CHECK(run.error(R"([{"step":"from_npy","from":"f","to":"r"}])").code == ErrorCode::input_file);
  CHECK(run.error(R"([{"step":"decode_image","from":"f","to":"r"}])").code == ErrorCode::input_file);
}

TEST_CASE("JSON numbers are the shortest that mean the f32; what JSON lacks is null") {
  Run run;
  Tensor x = Tensor::make(DType::f32, {4}).value();
  x.as<float>()[0] = 0.1f;
  x.as<float>()[1] = std::numeric_limits<float>::infinity();
  x.as<float>()[2] = std::nanf("");
  x.as<float>()[3] = 16777216;
  CHECK(tensor_to_json(x).value().dump() == "[0.1,null,null,16777216.0]");
}

TEST_CASE("tensors: sizes that overflow, half floats") {
  CHECK(Tensor::make(DType::f32, {1LL << 40, 1LL << 40}).error().code == ErrorCode::output_limit);
  CHECK(Tensor::make(DType::f32, {1LL << 40, 0}).error().code == ErrorCode::output_limit);
  CHECK(Tensor::make(DType::u8, {1 << 20, 0, 4}).error().message ==
        "a tensor of shape [1048576, 0, 4] holds 1048576 empty lists, at most 1000000 are allowed");
  CHECK(Tensor::make(DType::f32, {0, 1LL << 40}));
  CHECK(Tensor::make(DType::f32, {-1}).error().code == ErrorCode::output_limit);
  CHECK(Tensor::make(DType::f64, {1LL << 28}).error().code == ErrorCode::output_limit);
  CHECK(Tensor::make(DType::u8, std::vector<std::int64_t>(17, 1)).error().code == ErrorCode::output_limit);
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float wide = f16_to_f32(half);
    if (!std::isnan(wide)) REQUIRE(f32_to_f16(wide) == half);
    if (!std::isnan(bf16_to_f32(half))) REQUIRE(f32_to_bf16(bf16_to_f32(half)) == half);
  }
  CHECK(f32_to_f16(65519.0f) == 0x7bff);
  CHECK(f32_to_f16(65520.0f) == 0x7c00);
  CHECK(f32_to_f16(0x1p-25f) == 0);
  CHECK(f32_to_f16(0x1.8p-25f) == 1);
  CHECK(std::isnan(f16_to_f32(f32_to_f16(std::nanf("")))));
}
