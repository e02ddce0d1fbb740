// A tokenizer prepared once: one block of bytes that is mapped and used as it is
// (docs/formats/tokenizer-cache.md).
//
// The block comes from a file that anything may have happened to, so open() checks its checksum and every
// offset; what does not fit is not used but built again. The lookup allocates nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/error.h"
#include "runtime/tokenizers/tokenizer_config.h"

namespace mrun {

// What a prepared form was made from.
struct SourceStamp {
  std::uint64_t size = 0;
  std::uint64_t hash = 0; // fast_hash of the tokenizer.json

  static SourceStamp of(std::string_view source);
  bool operator==(const SourceStamp&) const = default;
};

// 64 bits over the bytes, at memory speed. It finds damage, not attacks: the cache folder belongs to the
// user.
std::uint64_t fast_hash(std::string_view bytes);

// Hash of a token that grows byte by byte, so that one pass over a word hashes all its prefixes.
class TokenHash {
 public:
  constexpr void add(char byte) { m_state = (m_state ^ static_cast<unsigned char>(byte)) * 0x100000001b3; }
  constexpr void add(std::string_view bytes) {
    for (const char byte : bytes)
      add(byte);
  }
  constexpr std::uint64_t value() const {
    const std::uint64_t mixed = (m_state ^ m_state >> 32) * 0x9e3779b97f4a7c15;
    return mixed ^ mixed >> 29;
  }

 private:
  std::uint64_t m_state = 0xcbf29ce484222325; // FNV-1a, 64 bits
};

// The block for a tokenizer.
std::string prepare_tokenizer(const ParsedTokenizer& tokenizer, const SourceStamp& source);

// A view of a block, which must outlive it.
class PreparedTokenizer {
 public:
  // nullopt: not a block of this format, damaged, or made from another source.
  static std::optional<PreparedTokenizer> open(std::string_view block, const SourceStamp& source);

  const TokenizerConfig& config() const { return m_config; }
  std::size_t vocabulary_size() const { return m_entries.size(); }
  std::size_t longest_token() const { return m_longest_token; } // bytes

  // The id of prefix + text, whose TokenHash value is `hash`; -1 when there is no such token.
  std::int64_t find(std::string_view prefix, std::string_view text, std::uint64_t hash) const;
  std::int64_t find(std::string_view token) const;

 private:
  struct Entry {
    std::uint32_t offset, length, id;
  };
  struct Slot {
    std::uint32_t entry_plus_one; // 0: empty
    std::uint32_t hash_high;
  };
  friend std::string prepare_tokenizer(const ParsedTokenizer& tokenizer, const SourceStamp& source);
  bool check_contents();

  std::span<const Entry> m_entries;
  std::span<const Slot> m_slots; // a power of two, at most half of it used
  std::string_view m_strings;
  TokenizerConfig m_config;
  std::size_t m_longest_token = 0;
};

} // namespace mrun
