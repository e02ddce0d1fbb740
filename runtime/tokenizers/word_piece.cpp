#include "runtime/tokenizers/word_piece.h"

#include "runtime/tokenizers/unicode.h"

namespace mrun {
namespace {

struct Piece {
  std::int64_t id = -1;
  std::size_t length = 0; // bytes
};

// The longest piece at the front of `rest`. Prefixes are hashed once, on the way; only ends of characters
// count.
Piece longest_piece(const PreparedTokenizer& tokenizer, std::string_view prefix, std::string_view rest) {
  TokenHash hash;
  hash.add(prefix);
  Piece best;
  std::size_t end = 0;
  while (end < rest.size() && prefix.size() + end <= tokenizer.longest_token()) {
    const std::size_t from = end;
    unicode::next_character(rest, end);
    hash.add(rest.substr(from, end - from));
    const std::int64_t id = tokenizer.find(prefix, rest.substr(0, end), hash.value());
    if (id >= 0) best = {id, end};
  }
  return best;
}

} // namespace

void append_word_pieces(const PreparedTokenizer& tokenizer, std::string_view word,
                        std::vector<std::int64_t>& ids) {
  const TokenizerConfig& config = tokenizer.config();
  const std::size_t before = ids.size();
  bool known = unicode::count_characters(word) <= config.max_word_characters;
  for (std::size_t at = 0; known && at < word.size();) {
    const Piece piece =
        longest_piece(tokenizer, at == 0 ? std::string_view() : config.continuing_prefix, word.substr(at));
    known = piece.id >= 0;
    ids.push_back(piece.id);
    at += piece.length;
  }
  if (!known) {
    ids.resize(before);
    ids.push_back(config.unk_id);
  }
}

} // namespace mrun
