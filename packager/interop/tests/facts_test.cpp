// What a model's own files say of it, and the manifest that is made of that.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "packager/interop/derived_manifest.h"
#include "packager/interop/model_card.h"
#include "packager/interop/model_facts.h"
#include "packager/interop/tests/support_weights.h"
#include "packager/manifest.h"
#include "packager/reference.h"
#include "packager/weights/gguf_metadata.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

std::optional<GgufMetadata> metadata_of(const std::string& bytes) {
  return read_gguf_metadata(bytes.size(), reader_of(bytes)).value();
}

std::string bert_config() {
  return R"({"architectures":["BertModel"],"model_type":"bert","hidden_size":384,"max_position_embeddings":512})";
}

std::string unsupported(const ModelSource& source) {
  const Result<std::string> text = derive_manifest("a/b", learn_facts(source).value(), paths_of(source));
  REQUIRE_FALSE(text);
  CHECK(text.error().code == ErrorCode::model_unsupported);
  return text.error().message;
}

} // namespace

TEST_CASE("gguf metadata: texts, numbers and how long lists are") {
  const auto metadata = metadata_of(GgufMaker()
                                        .text("general.architecture", "llama")
                                        .number("llama.context_length", 2048)
                                        .texts("tokenizer.ggml.tokens", {"a", "bb", "ccc"})
                                        .raw("f", 6, std::string(4, '\0'))
                                        .raw("negative", 5, "\xff\xff\xff\xff")
                                        .raw("yes", 7, "\x01")
                                        .text("last", "end")
                                        .bytes());
  REQUIRE(metadata);
  CHECK(metadata->text("general.architecture") == "llama");
  CHECK(metadata->number("llama.context_length") == 2048);
  CHECK(metadata->lists.at("tokenizer.ggml.tokens") == 3);
  CHECK_FALSE(metadata->number("negative"));
  CHECK(metadata->number("yes") == 1);
  CHECK(metadata->text("last") == "end");
  CHECK(metadata->text("absent").empty());
}

TEST_CASE("gguf metadata: what lies about its size is no GGUF") {
  const std::string good =
      GgufMaker().text("general.architecture", "llama").texts("tokens", {"a", "b"}).bytes();
  for (std::size_t size = 0; size < good.size(); ++size)
    CHECK_FALSE(metadata_of(good.substr(0, size)));
  std::string huge_text;
  put<std::uint64_t>(huge_text, 1ULL << 62);
  CHECK_FALSE(metadata_of(GgufMaker().raw("x", 8, huge_text).bytes()));
  std::string huge_list;
  put<std::uint32_t>(huge_list, 10);
  put<std::uint64_t>(huge_list, 1ULL << 61); // times 8 is 0 in 64 bits
  CHECK_FALSE(metadata_of(GgufMaker().raw("x", 9, huge_list).bytes()));
  std::string nested;
  put<std::uint32_t>(nested, 9);
  put<std::uint64_t>(nested, 1);
  CHECK_FALSE(metadata_of(GgufMaker().raw("x", 9, nested).bytes()));
  CHECK_FALSE(metadata_of(GgufMaker().raw("x", 99, "1234").bytes()));
  std::string many = "GGUF";
  put<std::uint32_t>(many, 3);
  put<std::uint64_t>(many, 0);
  put<std::uint64_t>(many, 1ULL << 40); // pairs
  CHECK_FALSE(metadata_of(many + std::string(1000, '\0')));
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string spoilt = good;
    spoilt[at] = static_cast<char>(spoilt[at] ^ 0xff);
    (void)metadata_of(spoilt); // any answer is right, as long as there is one
  }
}

TEST_CASE("gguf metadata: what is kept is bounded") {
  GgufMaker maker;
  for (int i = 0; i < 300; ++i)
    maker.text("key" + std::to_string(i), std::string(60'000, 'x'));
  maker.text("long", std::string(70'000, 'y')).text("broken", "\xff\xfe");
  const auto metadata = metadata_of(maker.bytes());
  REQUIRE(metadata);
  CHECK(metadata->texts.size() < 150);
  CHECK(metadata->text("long").empty());
  CHECK(metadata->text("broken").empty());
}

TEST_CASE("model card: licence, task and the first words") {
  const ModelCard card =
      read_model_card("---\nlicense: apache-2.0\npipeline_tag: text-generation\ntags: [a, b]\n---\n"
                      "# Title\n\n![x](y)\nA small model\nfor tests.\n\nMore.\n");
  CHECK(card.license == "Apache-2.0");
  CHECK(card.task == "text-generation");
  CHECK(card.summary == "A small model for tests.");
  CHECK(read_model_card("---\nlicense: other\nlicense_name: My Own!\n---\n").license == "LicenseRef-my-own-");
  CHECK(read_model_card("---\nlicense:\n- mit\n---\n").license == "MIT");
  CHECK(read_model_card("---\nlicense: &a mit\n---\nText\n").license.empty()); // anchors are refused
  CHECK(read_model_card("---\nlicense: mit").license.empty());
  CHECK(read_model_card("no front matter").summary == "no front matter");
  CHECK(read_model_card("\xff\xfe").summary.empty());
}

TEST_CASE("licence names become SPDX") {
  CHECK(spdx_license("MIT") == "MIT");
  CHECK(spdx_license("llama3.1") == "LicenseRef-llama3.1");
  CHECK(spdx_license("Apache-2.0 OR MIT") == "Apache-2.0 OR MIT");
  CHECK(spdx_license("BSD-4-Clause") == "BSD-4-Clause");
  CHECK(spdx_license("unknown").empty());
  CHECK(spdx_license("").empty());
}

TEST_CASE("many names of one file with a large header cost no more than a few of it") {
  std::vector<Tensor> tensors;
  for (int i = 0; i < 40'000; ++i)
    tensors.push_back({std::string(100, 'n') + std::to_string(i), "F32", {1}});
  const std::string bytes = safetensors(tensors);
  std::vector<std::pair<std::string, std::string>> files;
  for (int i = 0; i < 40; ++i)
    files.emplace_back(fmt::format("{}.safetensors", i), bytes);
  int asked = 0;
  const auto count = [&]() -> Result<void> {
    ++asked;
    return {};
  };
  const ModelFacts facts = learn_facts(source_with(files), count).value();
  CHECK(facts.weights.size() == 40);
  CHECK(facts.parameters == 0);
  CHECK(facts.precision.empty());
  CHECK(asked < 30);
  const auto stop = []() -> Result<void> { return fail(ErrorCode::interrupted_by_user, "interrupted"); };
  CHECK(learn_facts(source_with(files), stop).error().code == ErrorCode::interrupted_by_user);
}

TEST_CASE("facts of a Hugging Face folder, and its manifest") {
  const ModelSource source = source_with(
      {{"README.md", "---\nlicense: mit\npipeline_tag: sentence-similarity\n---\nEmbeds \"text\": really.\n"},
       {"config.json", bert_config()},
       {"model.safetensors",
        safetensors({{"a", "F32", {1000, 10}}, {"b", "F16", {10}, 2}, {"ids", "I64", {5}, 8}})},
       {"tokenizer.json", "{}"}});
  const ModelFacts facts = learn_facts(source).value();
  CHECK(facts.format == "safetensors");
  CHECK(facts.architecture == "bert");
  CHECK(facts.precision == "float32,float16");
  CHECK(facts.parameters == 10'010);
  CHECK(facts.task == "text-embedding");
  CHECK(facts.license == "MIT");
  const std::string text = derive_manifest("demo/embed", facts, paths_of(source)).value();
  CHECK(derive_manifest("demo/embed", facts, paths_of(source)).value() == text);
  const Manifest manifest = parse_manifest(text, "mrun.yaml").value();
  CHECK(manifest.name == "demo/embed");
  CHECK(manifest.description == "Embeds \"text\": really.");
  CHECK(manifest.engine == "transformer");
  CHECK(manifest.model == "model.safetensors");
  CHECK(manifest.files.size() == 4);
  CHECK(manifest.output.length == 384);
  REQUIRE(manifest.inputs.size() == 1);
  CHECK(manifest.inputs[0].name == "text");
}

TEST_CASE("what a model calls itself is a text in its manifest, whatever YAML would read") {
  for (const char* word : {"1.0", "null", "-", "true", ".5", "~"}) {
    ModelFacts facts;
    facts.format = "gguf";
    facts.architecture = "llama";
    facts.weights = {SafePath::parse("model.gguf").value()};
    facts.task = word;
    facts.license = "MIT WITH x: y";
    const std::string text = derive_manifest("demo/odd", facts, facts.weights).value();
    CHECK(parse_manifest(text, "mrun.yaml").value().task == word);
    CHECK(parse_manifest(text, "mrun.yaml").value().license == facts.license);
  }
}

TEST_CASE("facts of a GGUF file, and its manifest") {
  const std::string bytes = GgufMaker()
                                .text("general.architecture", "llama")
                                .text("general.name", "Small\nOne")
                                .text("general.license", "apache-2.0")
                                .number("general.file_type", 15)
                                .number("llama.context_length", 100)
                                .text("tokenizer.chat_template", "{{ messages }}")
                                .bytes();
  const ModelSource source = source_with({{"small [q4].gguf", bytes}});
  const ModelFacts facts = learn_facts(source).value();
  CHECK(facts.quantization == "Q4_K_M");
  CHECK(facts.name == "SmallOne");
  CHECK(facts.chat);
  const Manifest manifest =
      parse_manifest(derive_manifest("demo/small", facts, paths_of(source)).value(), "mrun.yaml").value();
  CHECK(manifest.task == "text-generation");
  CHECK(manifest.model == "small [q4].gguf");
  CHECK(manifest.license == "Apache-2.0");
  CHECK(manifest.output.concatenate);
  const auto tokens = std::find_if(manifest.inputs.begin(), manifest.inputs.end(),
                                   [](const InputSpec& input) { return input.name == "max_tokens"; });
  REQUIRE(tokens != manifest.inputs.end());
  CHECK(tokens->type.le == 100);
}

TEST_CASE("a folder of very many files is written as globs") {
  std::vector<std::pair<std::string, std::string>> files = {
      {"config.json", bert_config()}, {"model.safetensors", safetensors({{"a", "F32", {2}}})}};
  for (int i = 0; i < 300; ++i)
    files.emplace_back("extra/" + std::to_string(i) + ".json", "{}");
  files.emplace_back("extra/.hidden", "x");
  const ModelSource source = source_with(files);
  const Manifest manifest =
      parse_manifest(derive_manifest("a/b", learn_facts(source).value(), paths_of(source)).value(),
                     "mrun.yaml")
          .value();
  CHECK(manifest.files == std::vector<std::string>{"**", "extra/.hidden"});
}

TEST_CASE("what mrun can't run is said, with what to do") {
  const std::string weights = safetensors({{"a", "F32", {2}}});
  CHECK(unsupported(source_with({{"README.md", "hi"}})).find("no weights") != std::string::npos);
  CHECK(unsupported(source_with({{"model.onnx", "x"}})).find("onnx") != std::string::npos);
  CHECK(unsupported(source_with({{"pytorch_model.bin", "x"}, {"config.json", bert_config()}}))
            .find("weights are pt") != std::string::npos);
  CHECK(unsupported(source_with({{"model.safetensors", weights}})).find("model_type") != std::string::npos);
  CHECK(unsupported(source_with({{"model.safetensors", weights}, {"model_index.json", "{}"}}))
            .find("diffusers") != std::string::npos);
  CHECK(unsupported(source_with({{"x.gguf", "GGUFrubbish"}})).find("architecture") != std::string::npos);
  // values of a config that are of another type than they should be say nothing
  CHECK(unsupported(source_with({{"model.safetensors", weights},
                                 {"config.json", R"({"model_type":7,"architectures":[3]})"}}))
            .find("model_type") != std::string::npos);
}

TEST_CASE("parameters in ModelPack's words") {
  CHECK(parameter_words(0).empty());
  CHECK(parameter_words(22'713'216) == "22.7m");
  CHECK(parameter_words(8'030'261'248) == "8b");
  CHECK(parameter_words(1'500'000'000) == "1.5b");
  CHECK(parameter_words(135'000) == "135k");
  CHECK(parameter_words(10) == "0.1k");
}

TEST_CASE("names of models from any text") {
  CHECK(model_name_of("localhost", "x") == "local/x");
  CHECK(model_name_of("", "My Model_v1.gguf") == "local/my-model-v1-gguf");
  CHECK(model_name_of("HuggingFaceTB", "SmolLM2-135M") == "huggingfacetb/smollm2-135m");
  CHECK(model_name_of("", "!!!") == "local/model");
  CHECK(model_name_problem(model_name_of("a--b", std::string(300, 'x'))).empty());
}
