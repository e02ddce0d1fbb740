// Pipelines: naming, the batch axis, errors in the manifest, and the two normative examples.
#include <doctest/doctest.h>

#include <set>

#include "runtime/media/tests/reference.h"
#include "runtime/steps/tensor_json.h"
#include "runtime/steps/tests/folder_files.h"

using namespace mrun;

namespace {

Result<Pipeline> make(const char* text, test::TestFiles& files) {
  return Pipeline::make(Json::parse(text), files, "out.0");
}

Error refused(const char* text) {
  test::TestFiles files;
  const auto pipeline = make(text, files);
  REQUIRE_FALSE(pipeline.has_value());
  CHECK(pipeline.error().code == ErrorCode::manifest_step);
  return pipeline.error();
}

std::vector<std::int64_t> shape(const Namespace& values, std::string_view name) {
  return std::get<Tensor>(values.find(name)->second).shape();
}

// shared/examples/mobilenet and minilm, as JSON.
constexpr const char* k_mobilenet_pre = R"([
  {"step": "decode_image", "from": "image", "color": "rgb", "exif": "ignore", "to": "pixels"},
  {"step": "resize", "shorter_side": 256, "filter": "bilinear", "antialias": true},
  {"step": "center_crop", "size": [224, 224]},
  {"step": "normalize", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "layout": "nchw", "to": "in.x"}])";
constexpr const char* k_mobilenet_post = R"([
  {"step": "softmax", "from": "out.0", "axis": -1, "to": "probs"},
  {"step": "top_k", "from": "probs", "k": "$top_k", "labels": "labels.txt", "to": "output"}])";
constexpr const char* k_minilm_pre = R"([
  {"step": "tokenize", "from": "text", "tokenizer": "tokenizer.json", "max_tokens": 256, "pad": "none", "overflow": "truncate",
   "to": {"ids": "in.input_ids", "mask": "in.attention_mask"}}])";
constexpr const char* k_minilm_post = R"([
  {"step": "mean_pool", "from": "out.last_hidden_state", "mask": "in.attention_mask", "to": "pooled"},
  {"step": "l2_normalize", "from": "pooled", "to": "output"}])";

constexpr const char* k_tokenizer =
    R"({"normalizer": {"type": "BertNormalizer"}, "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
  "padding": {"strategy": {"Fixed": 128}}, "truncation": {"max_length": 128},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "man": 5}}})";

} // namespace

TEST_CASE("the image classifier's steps") {
  test::TestFiles files;
  files.files["labels.txt"] = "tench\nespresso\nfox\n";
  const Pipeline pre = Pipeline::make(Json::parse(k_mobilenet_pre), files, "image").value();
  const Pipeline post = make(k_mobilenet_post, files).value();
  CHECK(pre.fused_count() == 1);
  CHECK(post.fused_count() == 1);
  const std::string picture = test::reference_pictures().at("png rgb").file;
  Namespace values;
  std::map<std::string, double, std::less<>> metrics;
  StepContext context{values, metrics};
  values["image"] = FileBytes{"x.png", picture};
  values["top_k"] = Json(2);
  REQUIRE(pre.run(context));
  CHECK(shape(values, "in.x") == std::vector<std::int64_t>{1, 3, 224, 224});
  values["out.0"] = tensor_from_json(Json::parse("[[0, 5, 1]]"), DType::f32).value();
  REQUIRE(post.run(context));
  const Json output = std::get<Json>(values.at("output"));
  REQUIRE(output.size() == 2);
  CHECK(output[0]["label"] == "espresso");
  CHECK(output[0]["score"] == doctest::Approx(0.97556));
  CHECK(output[1]["label"] == "fox");
}

TEST_CASE("the sentence embedding's steps") {
  test::TestFiles files;
  files.files["tokenizer.json"] = k_tokenizer;
  const Pipeline pre = Pipeline::make(Json::parse(k_minilm_pre), files, "text").value();
  const Pipeline post = make(k_minilm_post, files).value();
  Namespace values;
  std::map<std::string, double, std::less<>> metrics;
  StepContext context{values, metrics};
  CHECK(post.fused_count() == 1);
  values["text"] = Json("A man");
  REQUIRE(pre.run(context));
  CHECK(tensor_to_json(std::get<Tensor>(values.at("in.input_ids"))).value() == Json::parse("[[2,4,5,3]]"));
  CHECK(tensor_to_json(std::get<Tensor>(values.at("in.attention_mask"))).value() ==
        Json::parse("[[1,1,1,1]]"));
  CHECK(std::get<Tensor>(values.at("in.input_ids")).dtype() == DType::i64);
  CHECK(metrics.at("truncated_tokens") == 0);
  values["out.last_hidden_state"] =
      tensor_from_json(Json::parse("[[[3,4],[3,4],[3,4],[3,4]]]"), DType::f32).value();
  REQUIRE(post.run(context));
  CHECK(tensor_to_json(std::get<Tensor>(values.at("output"))).value() == Json::parse("[0.6,0.8]"));
  CHECK(shape(values, "in.attention_mask") == std::vector<std::int64_t>{1, 4}); // no second batch axis
}

TEST_CASE("too many tokens: cut and counted, or refused") {
  test::TestFiles files;
  files.files["tokenizer.json"] = k_tokenizer;
  Namespace values;
  std::map<std::string, double, std::less<>> metrics;
  StepContext context{values, metrics};
  values["text"] = Json("a a a a a");
  REQUIRE(
      make(
          R"([{"step":"tokenize","from":"text","tokenizer":"tokenizer.json","max_tokens":4,"pad":"none","to":"in.ids"}])",
          files)
          ->run(context));
  CHECK(tensor_to_json(std::get<Tensor>(values.at("in.ids"))).value() == Json::parse("[[2,4,4,3]]"));
  CHECK(metrics.at("truncated_tokens") == 3);
  const auto error =
      make(
          R"([{"step":"tokenize","from":"text","tokenizer":"tokenizer.json","max_tokens":4,"overflow":"error","to":"in.ids"}])",
          files)
          ->run(context);
  CHECK(error.error().code == ErrorCode::input_length);
  CHECK(error.error().message.find("`text` has ") != std::string::npos);
  values["text"] = Json(7);
  CHECK(make(R"([{"step":"tokenize","from":"text","tokenizer":"tokenizer.json","to":"in.ids"}])", files)
            ->run(context)
            .error()
            .code == ErrorCode::prediction_failed);
  CHECK(
      make(R"([{"step":"tokenize","from":"text","tokenizer":"tokenizer.json","max_tokens":2,"to":"in.ids"}])",
           files)
          .error()
          .code == ErrorCode::manifest_step);
  CHECK(make(R"([{"step":"tokenize","from":"text","tokenizer":"tokenizer.json","to":{"mask":"m"}}])", files)
            .error()
            .message.find("lacks `ids`") != std::string::npos);
  CHECK(
      make(R"([{"step":"tokenize","from":"text","tokenizer":"tokenizer.json","to":{"ids":"i","masks":"m"}}])",
           files)
          .error()
          .message.find("`to` has `masks`") != std::string::npos);
  files.files["bpe.json"] = R"({"model": {"type": "BPE"}})";
  CHECK(make(R"([{"step":"tokenize","from":"text","tokenizer":"bpe.json","to":"in.ids"}])", files)
            .error()
            .code == ErrorCode::engine_unsupported);
}

TEST_CASE("mistakes in the manifest are named, with the nearest right name") {
  CHECK(refused(R"([{"step":"resise","from":"x"}])").hint == "did you mean `resize`?");
  CHECK(refused(R"([{"step":"resise","from":"x"}])").message == "step 1: there is no step `resise`");
  CHECK(refused(R"([{"from":"x"}])").message == "step 1 has no `step:` with the step's name");
  CHECK(refused(R"(["softmax"])").code == ErrorCode::manifest_step);
  CHECK(refused(R"([{"step":"softmax","axs":1}])").message == "step `softmax` has no option `axs`");
  CHECK(refused(R"([{"step":"softmax","axs":1}])").hint == "did you mean `axis`?");
  CHECK(refused(R"([{"step":"softmax","axs":1}])").notes == std::vector<std::string>{"in step 1 (softmax)"});
  CHECK(refused(R"([{"step":"softmax","axis":"last"}])")
            .message.find("option `axis` is \"last\", an integer from -16 to 15 is needed") !=
        std::string::npos);
  CHECK(refused(R"([{"step":"softmax","from":1}])").message.find("`from` is not a name") !=
        std::string::npos);
  CHECK(refused(R"([{"step":"softmax","to":[]}])").message.find("a name is needed") != std::string::npos);
  CHECK(refused(R"([{"step":"resize"}])").message.find("exactly one of `shorter_side` and `size`") !=
        std::string::npos);
  CHECK(refused(R"([{"step":"resize","shorter_side":1,"size":[1,1]}])").message.find("exactly one") !=
        std::string::npos);
  CHECK(refused(R"([{"step":"resize","shorter_side":256,"filter":"cubic"}])")
            .message.find("it can be `nearest`") != std::string::npos);
  CHECK(
      refused(R"([{"step":"resize","shorter_side":256,"antialias":false}])").message.find("not supported") !=
      std::string::npos);
  CHECK(refused(R"([{"step":"resize","size":[0,5]}])").message.find("[height, width]") != std::string::npos);
  CHECK(refused(R"([{"step":"center_crop","size":[5]}])").message.find("[height, width]") !=
        std::string::npos);
  CHECK(refused(R"([{"step":"normalize","mean":[0],"std":[0]}])").message.find("is 0") != std::string::npos);
  CHECK(refused(R"([{"step":"normalize","mean":[0],"std":[1,1]}])").message.find("one entry a channel") !=
        std::string::npos);
  CHECK(
      refused(R"([{"step":"normalize","mean":"x","std":[1]}])").message.find("a list of numbers is needed") !=
      std::string::npos);
  CHECK(refused(R"([{"step":"top_k","k":"n"}])").message.find("an integer or `$input` is needed") !=
        std::string::npos);
  CHECK(refused(R"([{"step":"top_k","k":99999999999999999999}])").code == ErrorCode::manifest_step);
  CHECK(refused(R"([{"step":"decode_image","color":"bgr"}])").message.find("it can be `rgb`") !=
        std::string::npos);
  CHECK(refused(R"([{"step":"to_safetensors","tensors":["a"]}])").message.find("a map") != std::string::npos);
  CHECK(refused(R"({})").message == "the steps are not a list");
}

TEST_CASE("a value that is not there, and the note with the step") {
  test::TestFiles files;
  const Pipeline pipeline =
      make(
          R"([{"step":"reshape","from":"x","shape":[1],"to":"y"},{"step":"softmax","from":"probz","to":"r"}])",
          files)
          .value();
  Namespace values;
  values["x"] = tensor_from_json(Json::parse("[1]"), DType::f32).value();
  values["probs"] = Json("text");
  std::map<std::string, double, std::less<>> metrics;
  StepContext context{values, metrics};
  const auto result = pipeline.run(context);
  CHECK(result.error().code == ErrorCode::prediction_failed);
  CHECK(result.error().message == "there is no value `probz`");
  CHECK(result.error().hint == "did you mean `probs`?");
  CHECK(result.error().notes == std::vector<std::string>{"in step 2 (softmax)"});
}

TEST_CASE("the table has each step once") {
  std::set<std::string_view> names;
  for (const StepRow& row : step_rows())
    CHECK(names.insert(row.name).second);
  CHECK(names.size() == 22);
  CHECK(find_step("resize") != nullptr);
  CHECK(find_step("") == nullptr);
}
