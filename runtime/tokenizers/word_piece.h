// WordPiece: the longest known piece first, from the left (Schuster & Nakajima 2012; Hugging Face
// `tokenizers`).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/tokenizers/prepared.h"

namespace mrun {

// Appends the ids of one word; one unknown token when a part of it is not in the vocabulary or it has too
// many characters.
void append_word_pieces(const PreparedTokenizer& tokenizer, std::string_view word,
                        std::vector<std::int64_t>& ids);

} // namespace mrun
