#include "runtime/tokenizers/added_tokens.h"

#include <algorithm>

#include "runtime/tokenizers/unicode.h"

namespace mrun {
namespace {

std::size_t first_byte(const AddedToken& token) {
  return static_cast<unsigned char>(token.content.front());
}

bool begins_with_word(std::string_view text) {
  std::size_t at = 0;
  return !text.empty() && unicode::is_word(unicode::next_character(text, at));
}

// The start of the last character of a text that is not empty.
std::size_t last_character(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80)
    --at;
  return at;
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && begins_with_word(text.substr(last_character(text)));
}

std::size_t white_space_at_start(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size()) {
    std::size_t next = end;
    if (!unicode::is_white_space(unicode::next_character(text, next))) break;
    end = next;
  }
  return end;
}

std::size_t white_space_at_end(std::string_view text) {
  std::size_t start = text.size();
  while (start > 0) {
    const std::size_t last = last_character(text.substr(0, start));
    std::size_t at = last;
    if (!unicode::is_white_space(unicode::next_character(text, at))) break;
    start = last;
  }
  return start;
}

} // namespace

AddedTokenFinder::AddedTokenFinder(const TokenizerConfig& config, bool normalized) {
  for (const AddedToken& token : config.added)
    if (token.normalized == normalized) m_tokens.push_back(token);
  std::stable_sort(m_tokens.begin(), m_tokens.end(), [](const AddedToken& a, const AddedToken& b) {
    return first_byte(a) != first_byte(b) ? first_byte(a) < first_byte(b)
                                          : a.content.size() > b.content.size();
  });
  for (const AddedToken& token : m_tokens)
    ++m_first_byte[first_byte(token) + 1];
  for (std::size_t i = 1; i < m_first_byte.size(); ++i)
    m_first_byte[i] += m_first_byte[i - 1];
}

const AddedToken* AddedTokenFinder::match(std::string_view rest) const {
  const std::size_t byte = static_cast<unsigned char>(rest.front());
  for (std::size_t i = m_first_byte[byte]; i < m_first_byte[byte + 1]; ++i)
    if (rest.starts_with(m_tokens[i].content)) return &m_tokens[i];
  return nullptr;
}

std::vector<AddedTokenFinder::Part> AddedTokenFinder::split(std::string_view text) const {
  std::vector<Part> parts;
  std::size_t done = 0; // everything before is in a part
  for (std::size_t at = 0; at < text.size() && !m_tokens.empty();) {
    const AddedToken* token = match(text.substr(at));
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t start = at;
    std::size_t stop = at + token->content.size();
    at = stop;
    if (token->single_word && (ends_with_word(text.substr(0, start)) || begins_with_word(text.substr(stop))))
      continue;
    if (token->lstrip) start = std::max(white_space_at_end(text.substr(0, start)), done);
    if (token->rstrip) stop += white_space_at_start(text.substr(stop));
    if (done < start) parts.push_back({text.substr(done, start - done), -1});
    parts.push_back({text.substr(start, stop - start), token->id});
    done = stop;
  }
  if (done < text.size()) parts.push_back({text.substr(done), -1});
  return parts;
}

} // namespace mrun
