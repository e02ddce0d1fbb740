// Characters as Hugging Face `tokenizers` sees them: the tables are asked of that library
// (make_unicode_tables.py).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mrun::unicode {

bool is_removed(char32_t c); // by BertNormalizer's clean_text: control, format, private use, U+0000, U+FFFD
bool is_white_space(char32_t c); // White_Space
bool is_punctuation(char32_t c); // ASCII punctuation and P*
bool is_mark(char32_t c);        // Mn
bool is_word(char32_t c);        // \w of a regular expression
bool is_chinese(char32_t c);     // the CJK blocks of BERT

// Lower case of one character, without context (a final sigma is σ).
void append_lower(char32_t c, std::u32string& out);

// Canonical decomposition (NFD) of a stream of characters; reorders combining marks.
class Decomposer {
 public:
  // Appends what is certain now; the last starter and its marks stay inside until flush.
  void add(char32_t c, std::u32string& out);
  void flush(std::u32string& out);

 private:
  struct Pending {
    char32_t c;
    int combining_class;
  };
  void add_decomposed(char32_t c, std::u32string& out);
  std::vector<Pending> m_pending;
};

// The character at `at`, which moves past it. The text is valid UTF-8 (a broken byte reads as U+FFFD).
char32_t next_character(std::string_view text, std::size_t& at);
void append_utf8(char32_t c, std::string& out);
std::size_t count_characters(std::string_view text);

} // namespace mrun::unicode
