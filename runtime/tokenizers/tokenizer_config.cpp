#include "runtime/tokenizers/tokenizer_config.h"

#include <algorithm>

namespace mrun {
namespace {

constexpr std::string_view k_what = "the prepared tokenizer's configuration";

Result<std::int64_t> natural(const Json& object, const char* key) {
  MRUN_ASSIGN(const std::int64_t value, need_integer(object, key, ErrorCode::load_failed, k_what));
  if (value < 0 || value > INT32_MAX)
    return fail(ErrorCode::load_failed, std::string(k_what) + " has a number out of range");
  return value;
}

Result<bool> flag(const Json& object, const char* key) {
  MRUN_ASSIGN(const std::optional<bool> value, json_bool(object, key, ErrorCode::load_failed, k_what));
  return value.value_or(false);
}

Result<const Json*> list(const Json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end() || !at->is_array())
    return fail(ErrorCode::load_failed, std::string(k_what) + " lacks a list");
  return &*at;
}

Result<AddedToken> added_from_json(const Json& json) {
  AddedToken token;
  MRUN_ASSIGN(token.content, need_string(json, "content", ErrorCode::load_failed, k_what));
  MRUN_ASSIGN(token.id, natural(json, "id"));
  MRUN_ASSIGN(token.normalized, flag(json, "normalized"));
  MRUN_ASSIGN(token.single_word, flag(json, "single_word"));
  MRUN_ASSIGN(token.lstrip, flag(json, "lstrip"));
  MRUN_ASSIGN(token.rstrip, flag(json, "rstrip"));
  if (token.content.empty()) return fail(ErrorCode::load_failed, std::string(k_what) + " has an empty token");
  return token;
}

Result<TemplatePiece> piece_from_json(const Json& json) {
  TemplatePiece piece;
  MRUN_ASSIGN(piece.is_text, flag(json, "text"));
  MRUN_ASSIGN(piece.type_id, natural(json, "type_id"));
  MRUN_ASSIGN(const Json* ids, list(json, "ids"));
  for (const Json& id : *ids) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() > INT32_MAX)
      return fail(ErrorCode::load_failed, std::string(k_what) + " has a number out of range");
    piece.ids.push_back(id.get<std::int64_t>());
  }
  return piece;
}

Result<void> lengths_from_json(const Json& json, TokenizerConfig& config) {
  if (const auto at = json.find("truncation"); at != json.end()) {
    MRUN_ASSIGN(const std::int64_t length, natural(*at, "max_length"));
    MRUN_ASSIGN(const bool left, flag(*at, "left"));
    config.truncation = Truncation{static_cast<std::size_t>(length), left};
  }
  if (const auto at = json.find("padding"); at != json.end()) {
    Padding padding;
    MRUN_ASSIGN(const std::int64_t fixed, natural(*at, "fixed"));
    MRUN_ASSIGN(const std::int64_t multiple, natural(*at, "multiple"));
    MRUN_ASSIGN(padding.left, flag(*at, "left"));
    MRUN_ASSIGN(padding.id, natural(*at, "id"));
    MRUN_ASSIGN(padding.type_id, natural(*at, "type_id"));
    padding.fixed = static_cast<std::size_t>(fixed);
    padding.multiple = static_cast<std::size_t>(multiple);
    config.padding = padding;
  }
  return {};
}

} // namespace

Json tokenizer_config_json(const TokenizerConfig& config) {
  Json json = {{"clean_text", config.normalizer.clean_text},
               {"handle_chinese_chars", config.normalizer.handle_chinese_chars},
               {"strip_accents", config.normalizer.strip_accents},
               {"lowercase", config.normalizer.lowercase},
               {"unk_id", config.unk_id},
               {"continuing_prefix", config.continuing_prefix},
               {"max_word_characters", config.max_word_characters},
               {"added", Json::array()},
               {"pieces", Json::array()}};
  for (const AddedToken& token : config.added)
    json["added"].push_back({{"content", token.content},
                             {"id", token.id},
                             {"normalized", token.normalized},
                             {"single_word", token.single_word},
                             {"lstrip", token.lstrip},
                             {"rstrip", token.rstrip}});
  for (const TemplatePiece& piece : config.pieces)
    json["pieces"].push_back({{"text", piece.is_text}, {"ids", piece.ids}, {"type_id", piece.type_id}});
  if (config.truncation)
    json["truncation"] = {{"max_length", config.truncation->max_length}, {"left", config.truncation->left}};
  if (config.padding)
    json["padding"] = {{"fixed", config.padding->fixed},
                       {"multiple", config.padding->multiple},
                       {"left", config.padding->left},
                       {"id", config.padding->id},
                       {"type_id", config.padding->type_id}};
  return json;
}

Result<TokenizerConfig> tokenizer_config_from_json(const Json& json) {
  TokenizerConfig config;
  MRUN_ASSIGN(config.normalizer.clean_text, flag(json, "clean_text"));
  MRUN_ASSIGN(config.normalizer.handle_chinese_chars, flag(json, "handle_chinese_chars"));
  MRUN_ASSIGN(config.normalizer.strip_accents, flag(json, "strip_accents"));
  MRUN_ASSIGN(config.normalizer.lowercase, flag(json, "lowercase"));
  MRUN_ASSIGN(config.unk_id, natural(json, "unk_id"));
  MRUN_ASSIGN(config.continuing_prefix,
              need_string(json, "continuing_prefix", ErrorCode::load_failed, k_what));
  MRUN_ASSIGN(const std::int64_t longest, natural(json, "max_word_characters"));
  config.max_word_characters = static_cast<std::size_t>(longest);
  MRUN_ASSIGN(const Json* added, list(json, "added"));
  for (const Json& item : *added) {
    MRUN_ASSIGN(AddedToken token, added_from_json(item));
    config.added.push_back(std::move(token));
  }
  MRUN_ASSIGN(const Json* pieces, list(json, "pieces"));
  for (const Json& item : *pieces) {
    MRUN_ASSIGN(TemplatePiece piece, piece_from_json(item));
    config.pieces.push_back(std::move(piece));
  }
  MRUN_TRY(lengths_from_json(json, config));
  if (std::count_if(config.pieces.begin(), config.pieces.end(),
                    [](const TemplatePiece& piece) { return piece.is_text; }) != 1)
    return fail(ErrorCode::load_failed, std::string(k_what) + " has no place for the text");
  return config;
}

} // namespace mrun
