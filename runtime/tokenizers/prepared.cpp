#include "runtime/tokenizers/prepared.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <vector>

namespace mrun {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the prepared form is little-endian and used in place");

constexpr std::string_view k_magic = "mrunTOK\n";
constexpr std::uint32_t k_format = 1;

struct Header {
  char magic[8];
  std::uint32_t format;
  std::uint32_t entry_count;
  std::uint32_t slot_count;
  std::uint32_t reserved;
  std::uint64_t source_size;
  std::uint64_t source_hash;
  std::uint64_t body_hash;      // fast_hash of everything after the header
  std::uint64_t entries_offset; // from the start of the block, as the next three
  std::uint64_t slots_offset;
  std::uint64_t strings_offset;
  std::uint64_t strings_size;
  std::uint64_t config_offset;
  std::uint64_t config_size;
};
static_assert(sizeof(Header) == 96 && std::is_trivially_copyable_v<Header>);

template<class T>
bool view(std::string_view block, std::uint64_t offset, std::uint64_t count, std::span<const T>& out) {
  if (offset % alignof(T) != 0 || offset > block.size() || count > (block.size() - offset) / sizeof(T))
    return false;
  out = {reinterpret_cast<const T*>(block.data() + offset), static_cast<std::size_t>(count)};
  return true;
}

void align(std::string& out) {
  out.append((8 - out.size() % 8) % 8, '\0');
}

template<class T>
std::uint64_t append(std::string& out, std::span<const T> items) {
  align(out);
  const std::uint64_t at = out.size();
  out.append(reinterpret_cast<const char*>(items.data()), items.size_bytes());
  return at;
}

std::uint64_t hash_of(std::string_view token) {
  TokenHash hash;
  hash.add(token);
  return hash.value();
}

} // namespace

std::uint64_t fast_hash(std::string_view bytes) {
  constexpr std::uint64_t multiplier = 0x9fb21c651e98df25;
  std::uint64_t lanes[4] = {1, 2, 3, bytes.size()};
  const auto mix = [](std::uint64_t lane, std::uint64_t word) {
    return std::rotl((lane ^ word) * multiplier, 31);
  };
  std::size_t at = 0;
  for (; bytes.size() - at >= sizeof lanes; at += sizeof lanes) {
    std::uint64_t words[4];
    std::memcpy(words, bytes.data() + at, sizeof words);
    for (std::size_t i = 0; i < 4; ++i)
      lanes[i] = mix(lanes[i], words[i]);
  }
  for (; at < bytes.size(); ++at)
    lanes[0] = mix(lanes[0], static_cast<unsigned char>(bytes[at]));
  std::uint64_t all = 0;
  for (const std::uint64_t lane : lanes)
    all = mix(all, lane);
  return (all ^ all >> 29) * multiplier;
}

SourceStamp SourceStamp::of(std::string_view source) {
  return {source.size(), fast_hash(source)};
}

std::string prepare_tokenizer(const ParsedTokenizer& tokenizer, const SourceStamp& source) {
  using Entry = PreparedTokenizer::Entry;
  using Slot = PreparedTokenizer::Slot;
  std::vector<Entry> entries;
  std::vector<Slot> slots(std::bit_ceil(tokenizer.vocabulary.size() * 2 + 2));
  std::string strings;
  for (const auto& [token, id] : tokenizer.vocabulary) {
    entries.push_back(
        {static_cast<std::uint32_t>(strings.size()), static_cast<std::uint32_t>(token.size()), id});
    strings += token;
    const std::uint64_t hash = hash_of(token);
    std::size_t slot = hash & (slots.size() - 1);
    while (slots[slot].entry_plus_one != 0)
      slot = (slot + 1) & (slots.size() - 1);
    slots[slot] = {static_cast<std::uint32_t>(entries.size()), static_cast<std::uint32_t>(hash >> 32)};
  }
  const std::string config = canonical_json(tokenizer_config_json(tokenizer.config));
  Header header{};
  std::memcpy(header.magic, k_magic.data(), k_magic.size());
  header.format = k_format;
  header.entry_count = static_cast<std::uint32_t>(entries.size());
  header.slot_count = static_cast<std::uint32_t>(slots.size());
  header.source_size = source.size;
  header.source_hash = source.hash;
  std::string out(sizeof header, '\0');
  header.entries_offset = append<Entry>(out, entries);
  header.slots_offset = append<Slot>(out, slots);
  header.strings_offset = append<char>(out, strings);
  header.strings_size = strings.size();
  header.config_offset = append<char>(out, config);
  header.config_size = config.size();
  header.body_hash = fast_hash(std::string_view(out).substr(sizeof header));
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

std::optional<PreparedTokenizer> PreparedTokenizer::open(std::string_view block, const SourceStamp& source) {
  Header header;
  if (block.size() < sizeof header || reinterpret_cast<std::uintptr_t>(block.data()) % alignof(Header) != 0)
    return std::nullopt;
  std::memcpy(&header, block.data(), sizeof header);
  if (std::string_view(header.magic, sizeof header.magic) != k_magic || header.format != k_format ||
      SourceStamp{header.source_size, header.source_hash} != source ||
      header.body_hash != fast_hash(block.substr(sizeof header)))
    return std::nullopt;
  PreparedTokenizer out;
  std::span<const char> strings, config;
  if (!view(block, header.entries_offset, header.entry_count, out.m_entries) ||
      !view(block, header.slots_offset, header.slot_count, out.m_slots) ||
      !view(block, header.strings_offset, header.strings_size, strings) ||
      !view(block, header.config_offset, header.config_size, config))
    return std::nullopt;
  out.m_strings = {strings.data(), strings.size()};
  auto json = parse_json({config.data(), config.size()}, ErrorCode::load_failed, "the prepared tokenizer");
  if (!json || !json->is_object() || !out.check_contents()) return std::nullopt;
  auto parsed = tokenizer_config_from_json(*json);
  if (!parsed) return std::nullopt;
  out.m_config = *std::move(parsed);
  return out;
}

bool PreparedTokenizer::check_contents() {
  if (!std::has_single_bit(m_slots.size())) return false;
  for (const Entry& entry : m_entries) {
    if (entry.offset > m_strings.size() || entry.length > m_strings.size() - entry.offset ||
        entry.id > INT32_MAX)
      return false;
    m_longest_token = std::max<std::size_t>(m_longest_token, entry.length);
  }
  std::size_t used = 0;
  for (const Slot& slot : m_slots) {
    if (slot.entry_plus_one > m_entries.size()) return false;
    used += slot.entry_plus_one != 0 ? 1 : 0;
  }
  return used < m_slots.size(); // an empty slot ends each search
}

std::int64_t PreparedTokenizer::find(std::string_view prefix, std::string_view text,
                                     std::uint64_t hash) const {
  for (std::size_t at = hash & (m_slots.size() - 1);; at = (at + 1) & (m_slots.size() - 1)) {
    const Slot& slot = m_slots[at];
    if (slot.entry_plus_one == 0) return -1;
    if (slot.hash_high != static_cast<std::uint32_t>(hash >> 32)) continue;
    const Entry& entry = m_entries[slot.entry_plus_one - 1];
    const std::string_view token = m_strings.substr(entry.offset, entry.length);
    if (token.size() == prefix.size() + text.size() && token.starts_with(prefix) && token.ends_with(text))
      return entry.id;
  }
}

std::int64_t PreparedTokenizer::find(std::string_view token) const {
  return find({}, token, hash_of(token));
}

} // namespace mrun
