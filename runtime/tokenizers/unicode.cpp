#include "runtime/tokenizers/unicode.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>

namespace mrun::unicode {
namespace {

struct Range {
  char32_t first, last;
};
struct CombiningRow {
  char32_t c;
  std::uint8_t combining_class;
};
struct MappingRow {
  char32_t c;
  std::uint16_t start; // in the table's targets
  std::uint8_t count;
};

#include "runtime/tokenizers/unicode_tables.inc"

template<std::size_t N>
bool contains(const Range (&ranges)[N], char32_t c) {
  const Range* at = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                     [](char32_t value, const Range& range) { return value < range.first; });
  return at != std::begin(ranges) && c <= std::prev(at)->last;
}

template<std::size_t N>
const MappingRow* find(const MappingRow (&rows)[N], char32_t c) {
  const MappingRow* at =
      std::lower_bound(std::begin(rows), std::end(rows), c,
                       [](const MappingRow& row, char32_t value) { return row.c < value; });
  return at != std::end(rows) && at->c == c ? at : nullptr;
}

int combining_class(char32_t c) {
  const CombiningRow* at =
      std::lower_bound(std::begin(k_combining), std::end(k_combining), c,
                       [](const CombiningRow& row, char32_t value) { return row.c < value; });
  return at != std::end(k_combining) && at->c == c ? at->combining_class : 0;
}

// Hangul syllables are decomposed by arithmetic (Unicode 3.12).
constexpr char32_t k_hangul_first = 0xac00, k_hangul_count = 11172, k_vowels = 21, k_trailing = 28;

} // namespace

bool is_removed(char32_t c) {
  return contains(k_removed, c);
}
bool is_white_space(char32_t c) {
  return contains(k_white_space, c);
}
bool is_punctuation(char32_t c) {
  return contains(k_punctuation, c);
}
bool is_mark(char32_t c) {
  return c >= 0x300 && contains(k_marks, c);
}
bool is_word(char32_t c) {
  return contains(k_word, c);
}

// Hugging Face's ranges, with its 0x2b920 where Unicode's block begins at 0x2b820.
bool is_chinese(char32_t c) {
  if (c < 0x3400) return false;
  return (c >= 0x4e00 && c <= 0x9fff) || c <= 0x4dbf || (c >= 0x20000 && c <= 0x2a6df) ||
         (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

void append_lower(char32_t c, std::u32string& out) {
  if (c < 0x80) {
    out += c >= U'A' && c <= U'Z' ? c + 32 : c;
    return;
  }
  if (const MappingRow* row = find(k_lower, c))
    out.append(k_lower_targets + row->start, row->count);
  else
    out += c;
}

void Decomposer::add(char32_t c, std::u32string& out) {
  if (c < 0xc0) { // no marks and nothing that decomposes below À
    flush(out);
    out += c;
    return;
  }
  if (c - k_hangul_first < k_hangul_count) {
    const char32_t index = c - k_hangul_first;
    flush(out);
    out += static_cast<char32_t>(0x1100 + index / (k_vowels * k_trailing));
    out += static_cast<char32_t>(0x1161 + index % (k_vowels * k_trailing) / k_trailing);
    if (index % k_trailing != 0) out += static_cast<char32_t>(0x11a7 + index % k_trailing);
    return;
  }
  const MappingRow* row = find(k_decomposition, c);
  if (row == nullptr) {
    add_decomposed(c, out);
    return;
  }
  for (const char32_t part : std::span(k_decomposition_targets + row->start, row->count))
    add_decomposed(part, out);
}

void Decomposer::add_decomposed(char32_t c, std::u32string& out) {
  const int its_class = c < 0x300 ? 0 : combining_class(c);
  if (its_class == 0) {
    flush(out);
    out += c;
    return;
  }
  m_pending.push_back({c, its_class});
}

void Decomposer::flush(std::u32string& out) {
  if (m_pending.empty()) return;
  std::stable_sort(m_pending.begin(), m_pending.end(),
                   [](const Pending& a, const Pending& b) { return a.combining_class < b.combining_class; });
  for (const Pending& pending : m_pending)
    out += pending.c;
  m_pending.clear();
}

char32_t next_character(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  const char32_t first = byte(at);
  if (first < 0x80) {
    ++at;
    return first;
  }
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length == 0 || text.size() - at < length) {
    ++at;
    return 0xfffd;
  }
  char32_t c = first & (0xff >> (length + 1));
  for (std::size_t i = 1; i < length; ++i)
    c = c << 6 | (byte(at + i) & 0x3f);
  at += length;
  return c;
}

void append_utf8(char32_t c, std::string& out) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6);
    put(0x80 | (c & 63));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    put(0x80 | (c >> 6 & 63));
    put(0x80 | (c & 63));
  } else {
    put(0xf0 | c >> 18);
    put(0x80 | (c >> 12 & 63));
    put(0x80 | (c >> 6 & 63));
    put(0x80 | (c & 63));
  }
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }));
}

} // namespace mrun::unicode
