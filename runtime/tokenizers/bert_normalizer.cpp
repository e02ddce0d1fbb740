#include "runtime/tokenizers/bert_normalizer.h"

#include "runtime/tokenizers/unicode.h"

namespace mrun {

std::string BertNormalizer::normalize(std::string_view text) const {
  if (changes_nothing()) return std::string(text);
  std::u32string decomposed;
  decomposed.reserve(text.size());
  unicode::Decomposer decomposer;
  const auto emit = [&](char32_t c) {
    if (strip_accents)
      decomposer.add(c, decomposed);
    else
      decomposed += c;
  };
  for (std::size_t at = 0; at < text.size();) {
    char32_t c = unicode::next_character(text, at);
    if (clean_text && (c < 0x20 || c >= 0x7f) && unicode::is_white_space(c) && !unicode::is_removed(c))
      c = U' ';
    else if (clean_text && (c < 0x20 || c >= 0x7f) && unicode::is_removed(c))
      continue;
    const bool chinese = handle_chinese_chars && unicode::is_chinese(c);
    if (chinese) emit(U' ');
    emit(c);
    if (chinese) emit(U' ');
  }
  decomposer.flush(decomposed);

  std::u32string lower;
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : decomposed) {
    if (strip_accents && unicode::is_mark(c)) continue;
    if (!lowercase) {
      unicode::append_utf8(c, out);
      continue;
    }
    lower.clear();
    unicode::append_lower(c, lower);
    for (const char32_t part : lower)
      unicode::append_utf8(part, out);
  }
  return out;
}

void split_words(std::string_view text, const std::function<void(std::string_view word)>& word) {
  std::size_t start = 0;
  const auto finish = [&](std::size_t end) {
    if (start < end) word(text.substr(start, end - start));
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t from = at;
    const char32_t c = unicode::next_character(text, at);
    const bool letter_or_digit =
        c < 0x80 && ((c >= U'a' && c <= U'z') || (c >= U'0' && c <= U'9') || (c >= U'A' && c <= U'Z'));
    if (letter_or_digit) continue;
    if (unicode::is_white_space(c)) {
      finish(from);
      start = at;
    } else if (unicode::is_punctuation(c)) {
      finish(from);
      word(text.substr(from, at - from));
      start = at;
    }
  }
  finish(text.size());
}

} // namespace mrun
