#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"
#include "runtime/tokenizers/tokenizer_config.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_token_bytes = 4096;
constexpr std::size_t k_max_added_tokens = 8192;
constexpr std::size_t k_max_template_tokens = 64;
constexpr std::int64_t k_max_id = INT32_MAX;
constexpr std::int64_t k_max_length = 1 << 20; // of a truncated or padded text

class Reader {
 public:
  explicit Reader(std::string_view name) : m_name(printable(name, 80)) {}

  Result<ParsedTokenizer> read(const Json& json);

 private:
  tl::unexpected<Error> broken(std::string_view why) const {
    return fail(ErrorCode::load_failed, fmt::format("`{}`: {}", m_name, why));
  }
  tl::unexpected<Error> unsupported(std::string_view what, const Json& type,
                                    std::string_view supported) const {
    return fail(ErrorCode::engine_unsupported,
                fmt::format("`{}` has the {} {}, only {} is supported", m_name, what,
                            printable(canonical_json(type), 60), supported));
  }
  // The member `type` of a part; null for a part that is null or missing.
  static Json type_of(const Json& json, const char* part) {
    const auto at = json.find(part);
    return at == json.end() || !at->is_object() ? Json() : at->value("type", Json());
  }
  Result<bool> flag(const Json& object, const char* key, bool fallback) const {
    MRUN_ASSIGN(const std::optional<bool> value, json_bool(object, key, ErrorCode::load_failed, m_name));
    return value.value_or(fallback);
  }
  Result<std::int64_t> number(const Json& object, const char* key, std::int64_t high,
                              std::int64_t fallback) const {
    MRUN_ASSIGN(const std::optional<std::int64_t> value,
                json_integer(object, key, ErrorCode::load_failed, m_name));
    if (value && (*value < 0 || *value > high))
      return broken(fmt::format("`{}` is {}, 0 to {} is allowed", key, *value, high));
    return value.value_or(fallback);
  }
  Result<bool> is_left(const Json& object) const {
    MRUN_ASSIGN(const std::optional<std::string> value,
                json_string(object, "direction", ErrorCode::load_failed, m_name));
    if (value && *value != "Left" && *value != "Right")
      return broken(fmt::format("the direction `{}` is neither Left nor Right", printable(*value, 40)));
    return value == "Left";
  }

  Result<void> read_normalizer(const Json& json);
  Result<void> read_model(const Json& model);
  Result<void> read_added(const Json& json);
  Result<void> read_post_processor(const Json& json);
  Result<void> read_template(const Json& processor);
  Result<void> read_bert_processing(const Json& processor);
  Result<void> read_truncation(const Json& json);
  Result<void> read_padding(const Json& json);
  Result<std::int64_t> id_of(const Json& json) const;

  std::string m_name;
  ParsedTokenizer m_out;
  std::unordered_map<std::string_view, std::uint32_t> m_ids; // views of m_out.vocabulary
};

Result<ParsedTokenizer> Reader::read(const Json& json) {
  if (!json.is_object() || !json.contains("model") || !json["model"].is_object())
    return broken("it has no object `model`");
  const Json model = type_of(json, "model");
  // Files of older versions name no type; a WordPiece model is then known by its prefix.
  if (model != "WordPiece" && !(model.is_null() && json["model"].contains("continuing_subword_prefix")))
    return unsupported("model type", model, "WordPiece");
  const Json pre = type_of(json, "pre_tokenizer");
  if (pre != "BertPreTokenizer") return unsupported("pre-tokenizer", pre, "BertPreTokenizer");
  MRUN_TRY(read_normalizer(json));
  MRUN_TRY(read_model(json["model"]));
  MRUN_TRY(read_added(json));
  MRUN_TRY(read_post_processor(json));
  MRUN_TRY(read_truncation(json));
  MRUN_TRY(read_padding(json));
  if (m_out.config.truncation && m_out.config.truncation->max_length < m_out.config.special_count())
    return broken("its truncation leaves no room for the special tokens");
  return std::move(m_out);
}

Result<void> Reader::read_normalizer(const Json& json) {
  BertNormalizer& normalizer = m_out.config.normalizer;
  const Json type = type_of(json, "normalizer");
  if (type.is_null()) {
    normalizer = {
        .clean_text = false, .handle_chinese_chars = false, .strip_accents = false, .lowercase = false};
    return {};
  }
  if (type != "BertNormalizer") return unsupported("normalizer", type, "BertNormalizer");
  const Json& object = json["normalizer"];
  MRUN_ASSIGN(normalizer.clean_text, flag(object, "clean_text", true));
  MRUN_ASSIGN(normalizer.handle_chinese_chars, flag(object, "handle_chinese_chars", true));
  MRUN_ASSIGN(normalizer.lowercase, flag(object, "lowercase", true));
  MRUN_ASSIGN(normalizer.strip_accents, flag(object, "strip_accents", normalizer.lowercase));
  return {};
}

Result<void> Reader::read_model(const Json& model) {
  const auto vocabulary = model.find("vocab");
  if (vocabulary == model.end() || !vocabulary->is_object() || vocabulary->empty())
    return broken("it has no vocabulary");
  if (vocabulary->size() > k_max_vocabulary)
    return broken(fmt::format("its vocabulary has {} tokens, at most {} are allowed", vocabulary->size(),
                              k_max_vocabulary));
  m_out.vocabulary.reserve(vocabulary->size());
  for (const auto& [token, id] : vocabulary->items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > static_cast<std::uint64_t>(k_max_id))
      return broken(fmt::format("the id of token `{}` is {}, 0 to {} is allowed", printable(token, 60),
                                printable(canonical_json(id), 40), k_max_id));
    if (token.size() > k_max_token_bytes)
      return broken(
          fmt::format("a token has {} bytes, at most {} are allowed", token.size(), k_max_token_bytes));
    m_out.vocabulary.emplace_back(token, id.get<std::uint32_t>());
  }
  for (const auto& [token, id] : m_out.vocabulary)
    m_ids.emplace(token, id);
  TokenizerConfig& config = m_out.config;
  MRUN_ASSIGN(const std::optional<std::string> prefix,
              json_string(model, "continuing_subword_prefix", ErrorCode::load_failed, m_name));
  config.continuing_prefix = prefix.value_or("##");
  if (config.continuing_prefix.size() > k_max_token_bytes)
    return broken("its continuing_subword_prefix is too long");
  MRUN_ASSIGN(const std::int64_t longest, number(model, "max_input_chars_per_word", 10'000, 100));
  config.max_word_characters = static_cast<std::size_t>(longest);
  MRUN_ASSIGN(const std::optional<std::string> unknown,
              json_string(model, "unk_token", ErrorCode::load_failed, m_name));
  const auto at = m_ids.find(unknown.value_or("[UNK]"));
  if (at == m_ids.end())
    return broken(fmt::format("its unknown token `{}` is not in the vocabulary",
                              printable(unknown.value_or("[UNK]"), 60)));
  config.unk_id = at->second;
  return {};
}

Result<void> Reader::read_added(const Json& json) {
  const auto list = json.find("added_tokens");
  if (list == json.end() || list->is_null()) return {};
  if (!list->is_array() || list->size() > k_max_added_tokens)
    return broken(fmt::format("`added_tokens` is no list of at most {}", k_max_added_tokens));
  for (const Json& item : *list) {
    if (!item.is_object()) return broken("an added token is no object");
    AddedToken token;
    MRUN_ASSIGN(token.content, need_string(item, "content", ErrorCode::load_failed, m_name));
    if (token.content.empty()) continue;
    if (token.content.size() > k_max_token_bytes)
      return broken(fmt::format("a token has {} bytes, at most {} are allowed", token.content.size(),
                                k_max_token_bytes));
    MRUN_ASSIGN(token.id, number(item, "id", k_max_id, -1));
    // The vocabulary's own id wins, as in Hugging Face's.
    if (const auto at = m_ids.find(token.content); at != m_ids.end()) token.id = at->second;
    if (token.id < 0)
      return broken(fmt::format("the added token `{}` has no id", printable(token.content, 60)));
    MRUN_ASSIGN(token.single_word, flag(item, "single_word", false));
    MRUN_ASSIGN(token.lstrip, flag(item, "lstrip", false));
    MRUN_ASSIGN(token.rstrip, flag(item, "rstrip", false));
    MRUN_ASSIGN(const bool special, flag(item, "special", false));
    MRUN_ASSIGN(token.normalized, flag(item, "normalized", !special));
    if (token.normalized) token.content = m_out.config.normalizer.normalize(token.content);
    if (!token.content.empty()) m_out.config.added.push_back(std::move(token));
  }
  return {};
}

Result<std::int64_t> Reader::id_of(const Json& json) const {
  if (!json.is_number_unsigned() || json.get<std::uint64_t>() > static_cast<std::uint64_t>(k_max_id))
    return broken(fmt::format("a special token has the id {}", printable(canonical_json(json), 40)));
  return json.get<std::int64_t>();
}

Result<void> Reader::read_post_processor(const Json& json) {
  const Json type = type_of(json, "post_processor");
  if (type.is_null()) {
    m_out.config.pieces = {{.is_text = true, .ids = {}, .type_id = 0}};
    return {};
  }
  if (type == "TemplateProcessing") return read_template(json["post_processor"]);
  if (type == "BertProcessing") return read_bert_processing(json["post_processor"]);
  return unsupported("post-processor", type, "TemplateProcessing or BertProcessing");
}

Result<void> Reader::read_template(const Json& processor) {
  const auto single = processor.find("single");
  const Json specials = processor.value("special_tokens", Json::object());
  if (single == processor.end() || !single->is_array() || single->size() > k_max_template_tokens ||
      !specials.is_object())
    return broken("its post-processor has no list `single`");
  for (const Json& item : *single) {
    const bool is_text = item.is_object() && item.contains("Sequence");
    if (!item.is_object() || item.size() != 1 || !(is_text || item.contains("SpecialToken")))
      return broken("its template has a piece that is neither Sequence nor SpecialToken");
    const Json& object = *item.begin();
    if (!object.is_object()) return broken("its template has a piece that is no object");
    TemplatePiece piece;
    piece.is_text = is_text;
    MRUN_ASSIGN(piece.type_id, number(object, "type_id", k_max_id, 0));
    if (!is_text) {
      MRUN_ASSIGN(const std::string id, need_string(object, "id", ErrorCode::load_failed, m_name));
      const Json special = specials.value(id, Json::object());
      const Json ids = special.is_object() ? special.value("ids", Json()) : Json();
      if (!ids.is_array() || ids.empty() || ids.size() > k_max_template_tokens)
        return broken(fmt::format("its template's token `{}` has no ids", printable(id, 60)));
      for (const Json& one : ids) {
        MRUN_ASSIGN(const std::int64_t value, id_of(one));
        piece.ids.push_back(value);
      }
    }
    m_out.config.pieces.push_back(std::move(piece));
  }
  const auto texts = std::count_if(m_out.config.pieces.begin(), m_out.config.pieces.end(),
                                   [](const TemplatePiece& piece) { return piece.is_text; });
  if (texts != 1) return broken(fmt::format("its template has the text {} times", texts));
  return {};
}

Result<void> Reader::read_bert_processing(const Json& processor) {
  const auto special = [&](const char* key) -> Result<TemplatePiece> {
    const auto pair = processor.find(key);
    if (pair == processor.end() || !pair->is_array() || pair->size() != 2)
      return broken(fmt::format("its post-processor has no `{}`", key));
    MRUN_ASSIGN(const std::int64_t id, id_of((*pair)[1]));
    return TemplatePiece{.is_text = false, .ids = {id}, .type_id = 0};
  };
  MRUN_ASSIGN(TemplatePiece begin, special("cls"));
  MRUN_ASSIGN(TemplatePiece end, special("sep"));
  m_out.config.pieces = {std::move(begin), {.is_text = true, .ids = {}, .type_id = 0}, std::move(end)};
  return {};
}

Result<void> Reader::read_truncation(const Json& json) {
  const auto at = json.find("truncation");
  if (at == json.end() || at->is_null()) return {};
  if (!at->is_object()) return broken("`truncation` is no object");
  MRUN_ASSIGN(const std::int64_t length, number(*at, "max_length", k_max_length, 512));
  MRUN_ASSIGN(const bool left, is_left(*at));
  m_out.config.truncation = Truncation{static_cast<std::size_t>(length), left};
  return {};
}

Result<void> Reader::read_padding(const Json& json) {
  const auto at = json.find("padding");
  if (at == json.end() || at->is_null()) return {};
  if (!at->is_object()) return broken("`padding` is no object");
  Padding padding;
  if (const auto strategy = at->find("strategy"); strategy != at->end() && strategy->is_object()) {
    MRUN_ASSIGN(const std::int64_t fixed, number(*strategy, "Fixed", k_max_length, 0));
    padding.fixed = static_cast<std::size_t>(fixed);
  } else if (strategy != at->end() && *strategy != "BatchLongest") {
    return broken(
        fmt::format("the padding strategy {} is not known", printable(canonical_json(*strategy), 40)));
  }
  MRUN_ASSIGN(const std::int64_t multiple, number(*at, "pad_to_multiple_of", k_max_length, 0));
  padding.multiple = static_cast<std::size_t>(multiple);
  MRUN_ASSIGN(padding.left, is_left(*at));
  MRUN_ASSIGN(padding.id, number(*at, "pad_id", k_max_id, 0));
  MRUN_ASSIGN(padding.type_id, number(*at, "pad_type_id", k_max_id, 0));
  m_out.config.padding = padding;
  return {};
}

} // namespace

std::size_t TokenizerConfig::special_count() const {
  std::size_t count = 0;
  for (const TemplatePiece& piece : pieces)
    count += piece.ids.size();
  return count;
}

Result<ParsedTokenizer> parse_tokenizer_json(std::string_view text, std::string_view name) {
  const std::string what = fmt::format("`{}`", printable(name, 80));
  MRUN_ASSIGN(const Json json,
              parse_json(text, ErrorCode::load_failed, what, {.max_bytes = k_max_tokenizer_bytes}));
  return Reader(name).read(json);
}

} // namespace mrun
