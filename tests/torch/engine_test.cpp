// The torch engine beside Python: every program of the corpus must give what Python gave, and every hostile
// archive must be refused with a reason. tests/torch/make_corpus.py makes both.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "common/json.h"
#include "common/limits.h"
#include "common/text.h"
#include "tests/torch/corpus_case.h"
#include "tests/torch/cut_model.h"
#include "tests/torch/fake_host.h"

namespace mrun::test {
namespace {

namespace fs = std::filesystem;

const std::string k_module = MRUN_TEST_ENGINES_DIR "/torch.so";
const fs::path k_corpus = MRUN_TEST_CORPUS_DIR;
const fs::path k_committed = MRUN_TEST_COMMITTED_DIR; // one folder a version of PyTorch

void load_or_fail(LoadedModule& module, const std::string& path, int threads = 1, int concurrency = 1) {
  REQUIRE_MESSAGE(module.load_file(path, threads, concurrency) == MRUN_OK, module.host().message
                                                                               << "\n"
                                                                               << module.host().details);
}

TEST_CASE("every program of the corpus gives what Python gave") {
  LoadedModule module(k_module);
  const std::vector<std::string> names = case_names(k_corpus);
  CHECK(names.size() >= 61);
  for (const std::string& name : names) {
    CAPTURE(name);
    const CorpusCase one(k_corpus / name);
    load_or_fail(module, one.model());
    // Three times: a prediction leaves nothing behind.
    for (const std::size_t misalign : {std::size_t{0}, std::size_t{1}, std::size_t{0}}) {
      module.host().clear();
      std::vector<GivenInput> inputs = one.inputs(misalign);
      CHECK_MESSAGE(module.start(inputs) == MRUN_OK, module.host().message << "\n" << module.host().details);
      check_outputs(one, module.host().outputs);
      for (const GivenInput& input : inputs)
        CHECK_MESSAGE(input.is_unchanged(), input.name);
    }
  }
}

// Written by other versions of PyTorch, on another processor: what is rounded may differ in its last digits.
TEST_CASE("every program of the committed corpus gives what the Python that wrote it gave") {
  LoadedModule module(k_module);
  // How many cases each has: what that torch could export, and was not too large.
  const std::map<std::string, std::size_t> expected = {
      {"2.11.0", 46}, {"2.13.0", 43}, {"2.14.1", 48}, {"2.15.0", 32}};
  std::map<std::string, std::size_t> versions;
  for (const auto& version : fs::directory_iterator(k_committed)) {
    if (!version.is_directory()) continue;
    CAPTURE(version.path().filename().string());
    const std::vector<std::string> names = case_names(version.path());
    versions[version.path().filename()] = names.size();
    for (const std::string& name : names) {
      CAPTURE(name);
      const CorpusCase one(version.path() / name);
      CHECK(fs::file_size(one.model()) <= 64 * k_kib);
      load_or_fail(module, one.model());
      module.host().clear();
      std::vector<GivenInput> inputs = one.inputs();
      CHECK_MESSAGE(module.start(inputs) == MRUN_OK, module.host().message << "\n" << module.host().details);
      check_outputs(one, module.host().outputs, 2e-5);
    }
  }
  CHECK(versions == expected);
}

TEST_CASE("bf16 on request gives what torch.autocast gives") {
  LoadedModule module(k_module);
  module.spec = R"({"manifest": {"options": {"dtype": "bf16"}}})";
  std::size_t compared = 0;
  for (const std::string& name : case_names(k_corpus)) {
    const CorpusCase one(k_corpus / name);
    if (!one.description.contains("bf16_outputs")) continue;
    ++compared;
    CAPTURE(name);
    CorpusCase expected = one;
    expected.description["outputs"] = one.description["bf16_outputs"];
    load_or_fail(module, one.model());
    for (int twice = 0; twice < 2; ++twice) {
      module.host().clear();
      std::vector<GivenInput> inputs = one.inputs();
      REQUIRE_MESSAGE(module.start(inputs) == MRUN_OK, module.host().message);
      check_outputs(expected, module.host().outputs);
    }
  }
  CHECK(compared >= 3);
  module.spec = R"({"manifest": {"options": {"dtype": "f8"}}})";
  CHECK(module.load_file(CorpusCase(k_corpus / "mlp").model()) == MRUN_UNSUPPORTED);
  module.spec = R"({"manifest": {"options": {"speed": 9}}})";
  CHECK(module.load_file(CorpusCase(k_corpus / "mlp").model()) == MRUN_UNSUPPORTED);
  CHECK(module.host().message.find("no option `speed`") != std::string::npos);
  module.spec = R"({"manifest": {"options": {"dtype": "bf16"}}})";
  CHECK(module.load_file(CorpusCase(k_corpus / "script_dict").model()) == MRUN_UNSUPPORTED);
}

TEST_CASE("tensors may come as JSON by the argument's own name") {
  LoadedModule module(k_module);
  const CorpusCase one(k_corpus / "mlp");
  load_or_fail(module, one.model());
  const auto json_input = [](const std::string& name, const std::string& text) {
    GivenInput input;
    input.name = name;
    input.json = text;
    return input;
  };
  const std::string row = "[0.5, -1, 2, 0, 1e-3, 4]";
  std::vector<GivenInput> as_json = {json_input("x", "[" + row + "," + row + "]"),
                                     json_input("scale", "0.25")};
  module.host().clear();
  REQUIRE_MESSAGE(module.start(as_json) == MRUN_OK, module.host().message);
  const auto by_json = module.host().outputs;
  std::vector<GivenInput> as_tensors = one.inputs();
  const std::vector<float> numbers = {0.5F, -1, 2, 0, 1e-3F, 4, 0.5F, -1, 2, 0, 1e-3F, 4};
  as_tensors[0].tensor.shape = {2, 6};
  as_tensors[0].tensor.bytes.assign(reinterpret_cast<const char*>(numbers.data()),
                                    numbers.size() * sizeof(float));
  module.host().clear();
  REQUIRE(module.start(as_tensors) == MRUN_OK);
  CHECK(by_json.at("out.logits").bytes == module.host().outputs.at("out.logits").bytes);
  for (const auto& [text, words] :
       std::vector<std::pair<std::string, std::string>>{{"[[1, 2], [3]]", "equally long"},
                                                        {"[[true]]", "takes numbers"},
                                                        {"[[1, 2, 3], [4, 5, 6]]", "axis 1 of `in.x` is 3"},
                                                        {"\"text\"", "was not given"},
                                                        {"[]", "has 1 axes"}}) {
    as_json[0].json = text;
    module.host().clear();
    CHECK(module.start(as_json) == MRUN_INVALID_INPUT);
    CHECK_MESSAGE(module.host().message.find(words) != std::string::npos, module.host().message);
  }
  load_or_fail(module, CorpusCase(k_corpus / "shared_weights").model());
  std::vector<GivenInput> ids = {json_input("ids", "[[1, 2, 3], [4, 5, 6.5]]")};
  CHECK(module.start(ids) == MRUN_INVALID_INPUT);
  CHECK(module.host().message.find("takes integers (i64)") != std::string::npos);
  load_or_fail(module, CorpusCase(k_corpus / "trees").model()); // nested: opts.p is opts_p
  std::vector<GivenInput> nested = CorpusCase(k_corpus / "trees").inputs();
  for (GivenInput& input : nested)
    if (input.name == "in.opts.p") input = json_input("opts_p", "[0.125]");
  CHECK_MESSAGE(module.start(nested) == MRUN_OK, module.host().message);
}

TEST_CASE("native code is not opened without the daemon's word") {
  LoadedModule module(k_module);
  CHECK(module.load_file(k_corpus / "hostile/aot_inductor.pt2") == MRUN_UNSUPPORTED);
  CHECK_MESSAGE(module.host().message.find("native code, and its mrun.yaml does not say so") !=
                    std::string::npos,
                module.host().message);
  // What the bundle says of itself is no word of the daemon's.
  module.spec = R"({"manifest": {"options": {"native_code": true, "operators": ["libops.so"]}}})";
  CHECK(module.load_file(k_corpus / "hostile/aot_inductor.pt2") == MRUN_UNSUPPORTED);
  module.more_files["libops.so"] = "not opened";
  CHECK(module.load_file(CorpusCase(k_corpus / "mlp").model()) == MRUN_UNSUPPORTED);
  CHECK(module.host().message.find("the model brings a library of operators") != std::string::npos);
  module.spec = R"({"native_code": true, "manifest": {"options": {"operators": ["libops.so"]}}})";
  CHECK(module.load_file(CorpusCase(k_corpus / "mlp").model()) == MRUN_FAILED);
  CHECK_MESSAGE(module.host().message.find("operator library `libops.so` can't be opened") !=
                    std::string::npos,
                module.host().message);
  // With it, a package without machine code would need a compiler.
  module.spec = R"({"native_code": true, "manifest": {"options": {"native_code": true}}})";
  CHECK(module.load_file(k_corpus / "hostile/aot_inductor.pt2") == MRUN_FAILED);
  CHECK(module.host().message.find("does not say what it was compiled for") != std::string::npos);
  CHECK(module.load_file(k_corpus / "hostile/aot_source.pt2") == MRUN_UNSUPPORTED);
  CHECK_MESSAGE(module.host().message.find("mrun runs no compiler") != std::string::npos,
                module.host().message);
}

TEST_CASE("a cut file gives what the whole one gives, to the last bit") {
  LoadedModule module(k_module);
  for (const std::string name : {"mlp", "dtypes", "shared_weights", "lstm", "script_dict", "script_tuple",
                                 "text-embedding", "image-classifier"}) {
    CAPTURE(name);
    const CorpusCase one(k_corpus / name);
    load_or_fail(module, one.model());
    module.host().clear();
    std::vector<GivenInput> inputs = one.inputs();
    REQUIRE(module.start(inputs) == MRUN_OK);
    const auto whole = module.host().outputs;
    // At tensor boundaries in pieces of whole pages; and anywhere, so that tensors are joined by copying.
    const std::string bytes = contents(one.model());
    for (const Cut& cut :
         {Cut{256, 64 * k_kib, true}, Cut{1, 100'000, true}, Cut{1, bytes.size() / 50 + 7, false}}) {
      CAPTURE(cut.piece_bytes);
      const CutModel model(bytes, cut);
      CHECK(model.segment_count() > 2);
      module.host().clear();
      REQUIRE_MESSAGE(module.load_file(model.file()) == MRUN_OK, module.host().message);
      REQUIRE(module.start(inputs) == MRUN_OK);
      CHECK(module.host().outputs.size() == whole.size());
      for (const auto& [output, tensor] : whole) {
        CAPTURE(output);
        CHECK(module.host().outputs[output].shape == tensor.shape);
        CHECK((module.host().outputs[output].bytes == tensor.bytes));
      }
      module.unload();
    }
  }
}

TEST_CASE("hostile archives are refused with a reason") {
  LoadedModule module(k_module);
  const Json expected = json_of(k_corpus / "hostile/expect.json");
  CHECK(expected.size() >= 47);
  for (const auto& [name, entry] : expected.items()) {
    CAPTURE(name);
    module.host().clear();
    const mrun_status status = module.load_file(k_corpus / "hostile" / (name + ".pt2"));
    CHECK(status == (entry["status"] == "unsupported" ? MRUN_UNSUPPORTED : MRUN_FAILED));
    CHECK_MESSAGE(module.host().message.find(entry["words"].get<std::string>()) != std::string::npos,
                  module.host().message);
  }
}

TEST_CASE("an index beyond a sparse tensor is an error, not a read of other memory") {
  LoadedModule module(k_module);
  load_or_fail(module, k_corpus / "hostile/sparse_index.pt");
  std::vector<GivenInput> inputs(1);
  inputs[0].name = "in.x";
  set_dtype("f32", inputs[0].tensor);
  inputs[0].tensor.shape = {2};
  inputs[0].tensor.bytes = std::string(8, '\0');
  CHECK(module.start(inputs) == MRUN_FAILED);
  CHECK_MESSAGE(module.host().message.find("inconsistent with") != std::string::npos, module.host().message);
}

// The operators are LibTorch's own; some would read other predictions' memory, some end the process.
TEST_CASE("an operator is not called with arguments that would lead it beyond its tensors") {
  LoadedModule module(k_module);
  const Json expected = json_of(k_corpus / "misfits/expect.json");
  CHECK(expected.size() >= 30);
  for (const auto& [name, words] : expected.items()) {
    CAPTURE(name);
    load_or_fail(module, k_corpus / "misfits" / (name + ".pt"));
    std::vector<GivenInput> inputs(1);
    inputs[0].name = "in.x";
    set_dtype("f32", inputs[0].tensor);
    inputs[0].tensor.shape = {1};
    inputs[0].tensor.bytes = std::string(4, '\0');
    module.host().clear();
    CHECK(module.start(inputs) == MRUN_FAILED);
    CHECK_MESSAGE(module.host().message.find(words.get<std::string>()) != std::string::npos,
                  module.host().message);
  }
}

TEST_CASE("an unsupported operator is named with its node and Python line") {
  LoadedModule module(k_module);
  CHECK(module.load_file(k_corpus / "hostile/unknown_operator.pt2") == MRUN_UNSUPPORTED);
  CHECK(module.host().message.find("node `") == 0);
  CHECK(module.host().message.find("torch.ops.mylib.magic.default") != std::string::npos);
  CHECK(module.host().details.find("corpus_cases.py:") != std::string::npos);
}

TEST_CASE("a cut archive is refused wherever it is cut") {
  LoadedModule module(k_module);
  const std::string whole = contents(k_corpus / "mlp/model.pt2");
  for (std::size_t length = 0; length < whole.size(); length += 997)
    CHECK(module.load_bytes(whole.substr(0, length)) != MRUN_OK);
  CHECK(module.load_bytes("this is no archive") == MRUN_FAILED);
  CHECK(module.host().message.find("not a ZIP archive") != std::string::npos);
}

TEST_CASE("inputs that do not fit the program are named with what it takes") {
  LoadedModule module(k_module);
  const CorpusCase one(k_corpus / "mlp");
  load_or_fail(module, one.model());
  std::vector<GivenInput> inputs = one.inputs();
  const auto refuses = [&](const std::string& words) {
    module.host().clear();
    CHECK(module.start(inputs) == MRUN_INVALID_INPUT);
    CHECK_MESSAGE(module.host().message.find(words) != std::string::npos, module.host().message);
    CHECK(module.host().outputs.empty());
  };
  inputs[0].tensor.shape = {7, 5};
  refuses("axis 1 of `in.x` is 5, the program was exported for 6");
  inputs[0].tensor.shape = {1, 6};
  refuses("axis 0 of `in.x` is 1, the program takes 2 to 64");
  inputs[0].tensor.shape = {42};
  refuses("has 1 axes, the program takes [");
  inputs[0].tensor.shape = {1, 7, 6};
  refuses("give the input without it");
  inputs = one.inputs();
  set_dtype("i32", inputs[0].tensor);
  refuses("`in.x` is i32, the program takes f32");
  inputs = one.inputs();
  inputs[0].tensor.bits = 24;
  refuses("has a dtype that LibTorch lacks");
  inputs = one.inputs();
  inputs[1].name = "in.other";
  refuses("input `in.scale` [] was not given");
  inputs = one.inputs();
  inputs[0].name = "in.0"; // a position serves as a name
  CHECK(module.start(inputs) == MRUN_OK);
}

TEST_CASE("what export assumed of sizes and constants is demanded of every prediction") {
  LoadedModule module(k_module);
  const CorpusCase one(k_corpus / "parity");
  load_or_fail(module, one.model());
  std::vector<GivenInput> inputs = one.inputs();
  module.host().clear();
  CHECK(module.start(inputs) == MRUN_OK);
  REQUIRE(inputs[0].tensor.shape == std::vector<std::int64_t>{2, 8});
  inputs[0].tensor.shape = {2, 7};
  module.host().clear();
  CHECK(module.start(inputs) == MRUN_INVALID_INPUT);
  CHECK_MESSAGE(module.host().message.find("% 2") != std::string::npos, module.host().message);
  inputs = one.inputs();
  REQUIRE(inputs[1].name == "flag");
  inputs[1].json = "false";
  module.host().clear();
  CHECK(module.start(inputs) == MRUN_INVALID_INPUT);
  CHECK_MESSAGE(module.host().message.find("`flag` is 0, the program was exported with 1") !=
                    std::string::npos,
                module.host().message);
}

TEST_CASE("sizes that depend on a symbol are checked by it") {
  LoadedModule module(k_module);
  const CorpusCase one(k_corpus / "derived"); // x: 2*s, y: s, z: s + 1
  load_or_fail(module, one.model());
  const auto refuses = [&](std::int64_t x, std::int64_t y, std::int64_t z, const std::string& words) {
    std::vector<GivenInput> inputs = one.inputs();
    for (std::size_t i = 0; i < 3; ++i) {
      inputs[i].tensor.shape = {std::array{x, y, z}.at(i)};
      inputs[i].tensor.bytes.assign(static_cast<std::size_t>(inputs[i].tensor.shape[0]) * 4, '\0');
    }
    module.host().clear();
    CHECK(module.start(inputs) == MRUN_INVALID_INPUT);
    CHECK_MESSAGE(module.host().message.find(words) != std::string::npos, module.host().message);
  };
  refuses(40, 20, 21, "axis 0 of `in.x` is 40, the program takes 4 to 16");
  refuses(9, 4, 5, "axis 0 of `in.x` is 9, the program takes what 2*s");
  refuses(8, 5, 6, "axis 0 of `in.y` is 5, but axis 0 of `in.x` is 8 and they must be s");
  refuses(8, 4, 6, "axis 0 of `in.z` is 6");
}

TEST_CASE("a number of another kind than the program's is no input") {
  LoadedModule module(k_module);
  const CorpusCase one(k_corpus / "symbols"); // n is a dynamic integer
  load_or_fail(module, one.model());
  std::vector<GivenInput> inputs = one.inputs();
  REQUIRE(inputs[1].name == "n");
  for (const auto& [text, words] : std::vector<std::pair<std::string, std::string>>{
           {"2.5", "`in.n` must be an integer"},
           {"true", "must be an integer"},
           {"18446744073709551615", "does not fit into 64 bits"}}) {
    inputs[1].json = text;
    module.host().clear();
    CHECK(module.start(inputs) == MRUN_INVALID_INPUT);
    CHECK_MESSAGE(module.host().message.find(words) != std::string::npos, module.host().message);
  }
}

TEST_CASE("a script's inputs are named when they are missing or do not fit") {
  LoadedModule module(k_module);
  const CorpusCase one(k_corpus / "script_nested");
  load_or_fail(module, one.model());
  const auto refuses = [&](std::vector<GivenInput> inputs, const std::string& words) {
    module.host().clear();
    CHECK(module.start(inputs) == MRUN_INVALID_INPUT);
    CHECK_MESSAGE(module.host().message.find(words) != std::string::npos, module.host().message);
  };
  const auto without = [&](const std::string& name) {
    std::vector<GivenInput> inputs = one.inputs();
    std::erase_if(inputs, [&](const GivenInput& input) { return input.name.starts_with(name); });
    return inputs;
  };
  refuses(without("in.xs"), "`in.xs` was not given");
  refuses(without("in.pair.1"), "`in.pair.1` was not given");
  std::vector<GivenInput> inputs = one.inputs();
  REQUIRE(inputs.back().name == "sizes");
  inputs.back().json = "[1, 2.5]";
  refuses(inputs, "`sizes` does not fit its type int");
  inputs.back().json = "{}";
  refuses(inputs, "`sizes` does not fit its type List[int]");
}

TEST_CASE("axes with one symbol must be equal") {
  LoadedModule module(k_module);
  const CorpusCase one(k_corpus / "text-embedding");
  load_or_fail(module, one.model());
  std::vector<GivenInput> inputs = one.inputs();
  inputs[1].tensor.shape = {1, 17};
  CHECK(module.start(inputs) == MRUN_INVALID_INPUT);
  CHECK(module.host().message.find("they must be equal") != std::string::npos);
}

TEST_CASE("a cancelled prediction stops between instructions") {
  LoadedModule module(k_module);
  const CorpusCase one(k_corpus / "text-embedding");
  load_or_fail(module, one.model());
  std::vector<GivenInput> inputs = one.inputs();
  module.host().clear();
  module.host().cancel_after = 20;
  CHECK(module.start(inputs) == MRUN_CANCELLED);
  CHECK(module.host().outputs.empty());
  module.host().clear();
  CHECK(module.start(inputs) == MRUN_OK);
  check_outputs(one, module.host().outputs);
}

TEST_CASE("a failure of the model itself names the node and leaves the model usable") {
  LoadedModule module(k_module);
  const CorpusCase one(k_corpus / "text-embedding");
  load_or_fail(module, one.model());
  std::vector<GivenInput> inputs = one.inputs();
  const std::int64_t beyond = 10'000'000; // no such token
  std::memcpy(inputs[0].tensor.bytes.data(), &beyond, sizeof beyond);
  module.host().clear();
  CHECK(module.start(inputs) == MRUN_FAILED);
  CHECK_MESSAGE(module.host().message.find("aten.embedding") != std::string::npos, module.host().message);
  CHECK(module.host().message.find("out of range") != std::string::npos);
  CHECK(module.host().details.find("modeling_bert.py:") != std::string::npos);
  inputs = one.inputs();
  module.host().clear();
  CHECK(module.start(inputs) == MRUN_OK);
  check_outputs(one, module.host().outputs);
}

TEST_CASE("a refused output ends the prediction") {
  LoadedModule module(k_module);
  const CorpusCase one(k_corpus / "mlp");
  load_or_fail(module, one.model());
  std::vector<GivenInput> inputs = one.inputs();
  module.host().refuse_output = true;
  CHECK(module.start(inputs) == MRUN_FAILED);
}

TEST_CASE("several threads share one model") {
  LoadedModule module(k_module);
  const CorpusCase one(k_corpus / "text-embedding");
  load_or_fail(module, one.model(), 1, 3);
  module.host().clear();
  std::vector<mrun_status> statuses(3, MRUN_FAILED);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < statuses.size(); ++i)
    threads.emplace_back([&, i] {
      std::vector<GivenInput> inputs = one.inputs();
      statuses[i] = module.start(inputs, i + 2);
    });
  for (std::thread& thread : threads)
    thread.join();
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    CHECK(statuses[i] == MRUN_OK);
    const auto found = module.host().outputs.find(fmt::format("{}:out.last_hidden_state", i + 2));
    REQUIRE(found != module.host().outputs.end());
    check_outputs(one, {{"out.last_hidden_state", found->second}});
  }
}

TEST_CASE("more threads give the same within rounding") {
  LoadedModule module(k_module);
  for (const std::string name : {"text-embedding", "image-classifier"}) {
    CAPTURE(name);
    const CorpusCase one(k_corpus / name);
    load_or_fail(module, one.model(), 2);
    module.host().clear();
    std::vector<GivenInput> inputs = one.inputs();
    CHECK(module.start(inputs) == MRUN_OK);
    check_outputs(one, module.host().outputs);
  }
}

TEST_CASE("the phases of a load come in order") {
  LoadedModule module(k_module);
  load_or_fail(module, CorpusCase(k_corpus / "mlp").model());
  CHECK(module.host().phases == std::vector<std::string>{"import", "map", "build"});
}

TEST_CASE("a TorchScript file that is damaged is refused") {
  LoadedModule module(k_module);
  std::string bytes = contents(k_corpus / "script_dict/model.pt");
  const std::size_t pickle = bytes.find("\x80\x02"); // the module's state begins so
  REQUIRE(pickle != std::string::npos);
  bytes[pickle] = '\x07';
  CHECK(module.load_bytes(bytes) == MRUN_FAILED);
  CHECK(module.host().message.find("TorchScript: ") == 0);
}

} // namespace
} // namespace mrun::test
