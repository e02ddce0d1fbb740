// Everything of a tokenizer.json but the vocabulary, checked and resolved to ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/json.h"
#include "runtime/tokenizers/bert_normalizer.h"

namespace mrun {

struct AddedToken {
  std::string content; // what is searched for; of a `normalized` token its normalized form
  std::int64_t id = 0;
  bool normalized = false; // searched for in the normalized text
  bool single_word = false;
  bool lstrip = false; // takes the white space before it
  bool rstrip = false;
};

// A piece of the post-processor's template: the text's tokens, or special ones.
struct TemplatePiece {
  bool is_text = false;
  std::vector<std::int64_t> ids; // when it is not the text
  std::int64_t type_id = 0;
};

struct Truncation {
  std::size_t max_length = 0; // special tokens included
  bool left = false;          // drops tokens at the front
};

struct Padding {
  std::size_t fixed = 0; // 0: to the longest of the batch, so not at all
  std::size_t multiple = 0;
  bool left = false;
  std::int64_t id = 0;
  std::int64_t type_id = 0;
};

struct TokenizerConfig {
  BertNormalizer normalizer;
  std::int64_t unk_id = 0;
  std::string continuing_prefix = "##";
  std::size_t max_word_characters = 100;
  std::vector<AddedToken> added;
  std::vector<TemplatePiece> pieces; // exactly one is the text
  std::optional<Truncation> truncation;
  std::optional<Padding> padding;

  std::size_t special_count() const; // tokens that the template adds
};

// The configuration as JSON inside of the prepared form, and back. Error load_failed for what is not one.
Json tokenizer_config_json(const TokenizerConfig& config);
Result<TokenizerConfig> tokenizer_config_from_json(const Json& json);

using VocabularyEntry = std::pair<std::string, std::uint32_t>; // token, id
struct ParsedTokenizer {
  TokenizerConfig config;
  std::vector<VocabularyEntry> vocabulary;
};

// Reads a tokenizer.json (Hugging Face `tokenizers`, version 1.0): WordPiece with BertNormalizer,
// BertPreTokenizer and TemplateProcessing or BertProcessing. `name` is the file's, for messages. Untrusted
// text: at most k_max_tokenizer_bytes and k_max_vocabulary tokens. Errors: load_failed (broken),
// engine_unsupported (another model, normalizer, pre-tokenizer or post-processor, named in the message).
Result<ParsedTokenizer> parse_tokenizer_json(std::string_view text, std::string_view name);

} // namespace mrun
