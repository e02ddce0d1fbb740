// Finding added tokens ([MASK], [CLS], …) in a text, as Hugging Face's AddedVocabulary: the leftmost, then
// longest.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "runtime/tokenizers/tokenizer_config.h"

namespace mrun {

class AddedTokenFinder {
 public:
  AddedTokenFinder() = default;
  // The tokens of `config` that are searched for in normalized, or in raw, text.
  AddedTokenFinder(const TokenizerConfig& config, bool normalized);

  struct Part {
    std::string_view text;
    std::int64_t id = -1; // -1: ordinary text
  };
  // Cuts the text; every byte is in one part, but for white space that a token takes with it.
  std::vector<Part> split(std::string_view text) const;

 private:
  const AddedToken* match(std::string_view rest) const;

  std::vector<AddedToken> m_tokens; // sorted by first byte, longest first
  std::array<std::uint32_t, 257>
      m_first_byte{}; // tokens that begin with byte b: [m_first_byte[b], m_first_byte[b+1])
};

} // namespace mrun
