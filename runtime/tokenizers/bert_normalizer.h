// BertNormalizer and BertPreTokenizer of Hugging Face `tokenizers`.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace mrun {

struct BertNormalizer {
  bool clean_text = true;           // removes control characters, makes white space a blank
  bool handle_chinese_chars = true; // puts blanks around CJK characters
  bool strip_accents = true;        // NFD without non-spacing marks
  bool lowercase = true;

  bool changes_nothing() const {
    return !clean_text && !handle_chinese_chars && !strip_accents && !lowercase;
  }
  std::string normalize(std::string_view text) const;
};

// Calls `word` for each word of normalized text: split at white space, each punctuation character on its own.
void split_words(std::string_view text, const std::function<void(std::string_view word)>& word);

} // namespace mrun
