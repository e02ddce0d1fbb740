#include "packager/interop/model_facts.h"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "common/json.h"
#include "common/text.h"
#include "packager/interop/model_card.h"
#include "packager/weights/gguf_metadata.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_config_bytes = 4 * k_mib;
// Of all weights together. 100,000 tensors have about 15 MiB.
constexpr std::uint64_t k_max_headers_bytes = 128 * k_mib;

using Names = std::array<std::string_view, 2>;

// Formats in the order in which one is chosen when a folder holds several.
constexpr std::array<Names, 7> k_formats = {{{".safetensors", "safetensors"},
                                             {".gguf", "gguf"},
                                             {".onnx", "onnx"},
                                             {".pt2", "pt"},
                                             {".pt", "pt"},
                                             {".pth", "pt"},
                                             {".bin", "pt"}}};
constexpr std::array<std::string_view, 8> k_pickles = {".bin", ".pt",     ".pth",    ".ckpt",
                                                       ".pkl", ".pickle", ".joblib", ".dill"};

// safetensors' and GGUF's names of element types, and ModelPack's.
constexpr std::array<Names, 9> k_precisions = {{{"F64", "float64"},
                                                {"F32", "float32"},
                                                {"F16", "float16"},
                                                {"BF16", "bfloat16"},
                                                {"F8_E4M3", "float8_e4m3"},
                                                {"F8_E5M2", "float8_e5m2"},
                                                {"I8", "int8"},
                                                {"U8", "uint8"},
                                                {"C64", "complex64"}}};

// general.file_type (llama.cpp: llama_ftype).
constexpr std::array<std::string_view, 39> k_file_types = {
    "F32",    "F16",    "Q4_0",   "Q4_1",    "",       "",       "",       "Q8_0",   "Q5_0",  "Q5_1",
    "Q2_K",   "Q3_K_S", "Q3_K_M", "Q3_K_L",  "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K",  "IQ2_XXS",
    "IQ2_XS", "Q2_K_S", "IQ3_XS", "IQ3_XXS", "IQ1_S",  "IQ4_NL", "IQ3_S",  "IQ3_M",  "IQ2_S", "IQ2_M",
    "IQ4_XS", "IQ1_M",  "BF16",   "",        "",       "",       "TQ1_0",  "TQ2_0",  "MXFP4"};

// Endings of the class names in config.json's `architectures`.
constexpr std::array<Names, 9> k_tasks = {{{"ForCausalLM", "text-generation"},
                                           {"LMHeadModel", "text-generation"},
                                           {"ForSequenceClassification", "text-classification"},
                                           {"ForTokenClassification", "token-classification"},
                                           {"ForQuestionAnswering", "question-answering"},
                                           {"ForMaskedLM", "fill-mask"},
                                           {"ForConditionalGeneration", "text2text-generation"},
                                           {"ForSpeechSeq2Seq", "automatic-speech-recognition"},
                                           {"ForImageClassification", "image-classification"}}};

// Without control characters, at most `limit` bytes.
std::string shown_text(std::string_view text, std::size_t limit) {
  std::string kept;
  for (const char c : text.substr(0, limit))
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) kept += c;
  while (!kept.empty() && !is_valid_utf8(kept))
    kept.pop_back(); // a character that the limit cut
  return kept;
}

// A word of the model's own that may go into a manifest or a config: [a-z0-9._-], else nothing.
std::string plain_word(std::string_view text) {
  const std::string word = lower_ascii(text);
  const bool plain = !word.empty() && word.size() <= 64 && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
  return plain ? word : "";
}

std::uint64_t natural(const Json& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (const auto found = object.find(key); found != object.end() && found->is_number_unsigned())
      return found->get<std::uint64_t>();
  return 0;
}

std::string text_in(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// ModelPack's names of the precisions that hold the weights, the largest share first.
std::string precision_words(const std::map<std::string, std::uint64_t>& elements) {
  std::vector<std::pair<std::uint64_t, std::string>> shares;
  for (const auto& [dtype, count] : elements)
    for (const auto& [short_name, name] : k_precisions)
      if (dtype == short_name && count > 0) shares.emplace_back(count, name);
  std::sort(shares.begin(), shares.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::string words;
  for (const auto& [count, name] : shares)
    words += (words.empty() ? "" : ",") + name;
  return words;
}

class Learner {
 public:
  Learner(const ModelSource& source, const std::function<Result<void>()>& check)
      : m_source(source),
        m_check(check) {}

  Result<ModelFacts> run() {
    choose_weights();
    MRUN_TRY(read_layouts());
    if (m_facts.format == "gguf") MRUN_TRY(read_gguf());
    MRUN_TRY(read_card()); // what its authors say it is for, before what its class is called
    MRUN_TRY(read_config());
    MRUN_TRY(read_tokenizer());
    return std::move(m_facts);
  }

 private:
  void choose_weights() {
    for (const auto& [suffix, format] : k_formats) {
      for (const SourceFile* file : m_source.with_suffix(suffix))
        if (!is_projector(file->path)) m_facts.weights.push_back(file->path);
      if (m_facts.weights.empty()) continue;
      m_facts.format = format;
      return;
    }
  }

  // The part of a multimodal GGUF model that reads pictures; it is no model alone.
  static bool is_projector(const SafePath& path) {
    return lower_ascii(path.file_name()).find("mmproj") != std::string::npos;
  }

  // Parameters and precisions, over all parts.
  Result<void> read_layouts() {
    if (m_facts.format != "safetensors" && m_facts.format != "gguf") return {};
    std::map<std::string, std::uint64_t> elements;
    std::uint64_t header_bytes = 0;
    for (const SafePath& path : m_facts.weights) {
      if (m_check) MRUN_TRY(m_check());
      const SourceFile& file = *m_source.find(path.text());
      const ReadAt counted = [&](std::uint64_t offset, std::uint64_t length) {
        header_bytes += length;
        return file.read_at(offset, length);
      };
      MRUN_ASSIGN(const std::optional<WeightLayout> layout, read_weight_layout(file.size, counted));
      if (header_bytes > k_max_headers_bytes) { // many names of one file, most likely
        m_facts.parameters = 0;
        return {};
      }
      if (!layout) continue;
      for (const TensorPlace& tensor : layout->tensors)
        count_tensor(tensor, elements);
    }
    m_facts.precision = precision_words(elements);
    return {};
  }

  void count_tensor(const TensorPlace& tensor, std::map<std::string, std::uint64_t>& elements) {
    std::uint64_t count = 1; // the layout's reader has checked the product
    for (const std::uint64_t extent : tensor.shape)
      count *= extent;
    const bool is_index = tensor.dtype.starts_with("I") || tensor.dtype == "BOOL";
    if (is_index && m_facts.format == "safetensors") return; // positions and masks are no parameters
    m_facts.parameters += count;
    elements[tensor.dtype] += count;
  }

  Result<void> read_gguf() {
    const SourceFile& file = *m_source.find(m_facts.weights.front().text());
    MRUN_ASSIGN(const std::optional<GgufMetadata> found, read_gguf_metadata(file.size, file.read_at));
    if (!found) return {};
    const GgufMetadata& metadata = *found;
    m_facts.architecture = plain_word(metadata.text("general.architecture"));
    m_facts.name = shown_text(metadata.text("general.name"), 200);
    m_facts.license = spdx_license(metadata.text("general.license"));
    const std::uint64_t type = metadata.number("general.file_type").value_or(k_file_types.size());
    if (type < k_file_types.size() && k_file_types[type].find('Q') != std::string_view::npos)
      m_facts.quantization = k_file_types[type];
    const std::string& prefix = m_facts.architecture;
    m_facts.context = metadata.number(prefix + ".context_length").value_or(0);
    m_facts.embedding = metadata.number(prefix + ".embedding_length").value_or(0);
    m_facts.chat = !metadata.text("tokenizer.chat_template").empty();
    const bool embeds = metadata.number(prefix + ".pooling_type") || prefix.ends_with("bert");
    if (!prefix.empty()) m_facts.task = embeds ? "text-embedding" : "text-generation";
    return {};
  }

  Result<void> read_config() {
    MRUN_ASSIGN(const std::string text, m_source.read_small("config.json", k_max_config_bytes));
    const Result<Json> parsed =
        parse_json(text, ErrorCode::bundle_invalid, "config.json", {k_max_config_bytes, 32, 100'000});
    if (!parsed || !parsed->is_object()) return {};
    const Json& config = *parsed;
    if (m_facts.architecture.empty()) m_facts.architecture = plain_word(text_in(config, "model_type"));
    if (m_facts.context == 0)
      m_facts.context = natural(config, {"max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"});
    if (m_facts.embedding == 0)
      m_facts.embedding = natural(config, {"hidden_size", "n_embd", "d_model", "dim"});
    if (const auto quantized = config.find("quantization_config");
        quantized != config.end() && quantized->is_object())
      m_facts.quantization = plain_word(text_in(*quantized, "quant_method"));
    if (m_facts.task.empty()) m_facts.task = task_of(config);
    return {};
  }

  std::string task_of(const Json& config) const {
    const auto classes = config.find("architectures");
    if (classes == config.end() || !classes->is_array() || classes->empty() || !(*classes)[0].is_string())
      return {};
    const auto name = (*classes)[0].get<std::string>();
    // sentence-transformers describe their pooling in modules.json, whatever network is below it
    if (m_source.find("modules.json") != nullptr) return "text-embedding";
    for (const auto& [suffix, task] : k_tasks)
      if (name.ends_with(suffix)) return std::string(task);
    // a bare encoder gives hidden states
    const bool encoder = name.ends_with("Model") && m_facts.architecture.find("bert") != std::string::npos;
    return encoder ? "text-embedding" : "";
  }

  Result<void> read_card() {
    for (const char* name : {"README.md", "readme.md"}) {
      MRUN_ASSIGN(const std::string text, m_source.read_small(name, k_max_config_bytes));
      if (text.empty()) continue;
      const ModelCard card = read_model_card(text);
      if (m_facts.license.empty()) m_facts.license = card.license;
      m_facts.description = shown_text(card.summary, 300);
      const bool embeds = card.task == "sentence-similarity" || card.task == "feature-extraction";
      if (m_facts.task.empty()) m_facts.task = embeds ? "text-embedding" : plain_word(card.task);
      return {};
    }
    return {};
  }

  Result<void> read_tokenizer() {
    if (m_source.find("chat_template.jinja") != nullptr) m_facts.chat = true;
    MRUN_ASSIGN(const std::string text, m_source.read_small("tokenizer_config.json", k_max_config_bytes));
    if (text.empty()) return {};
    const Result<Json> parsed = parse_json(text, ErrorCode::bundle_invalid, "tokenizer_config.json",
                                           {k_max_config_bytes, 32, 1'000'000});
    if (parsed && parsed->is_object() && parsed->contains("chat_template")) m_facts.chat = true;
    return {};
  }

  const ModelSource& m_source;
  const std::function<Result<void>()>& m_check;
  ModelFacts m_facts;
};

} // namespace

Result<ModelFacts> learn_facts(const ModelSource& source, const std::function<Result<void>()>& check) {
  return Learner(source, check).run();
}

std::string parameter_words(std::uint64_t parameters) {
  if (parameters == 0) return {};
  constexpr std::array<std::pair<std::uint64_t, char>, 4> scales = {
      {{1'000'000'000'000, 't'}, {1'000'000'000, 'b'}, {1'000'000, 'm'}, {1'000, 'k'}}};
  for (const auto& [scale, letter] : scales) {
    if (parameters < scale) continue;
    const std::uint64_t tenths = parameters / (scale / 10);
    if (tenths % 10 == 0) return fmt::format("{}{}", tenths / 10, letter);
    return fmt::format("{}.{}{}", tenths / 10, tenths % 10, letter);
  }
  return fmt::format("0.{}k", std::max<std::uint64_t>(1, parameters / 100));
}

bool is_pickle(const SafePath& path) {
  const std::string name = lower_ascii(path.file_name());
  return std::any_of(k_pickles.begin(), k_pickles.end(),
                     [&](std::string_view suffix) { return name.ends_with(suffix); });
}

} // namespace mrun
