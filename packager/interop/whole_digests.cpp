#include "packager/interop/whole_digests.h"

#include "common/fd.h"
#include "common/json.h"
#include "common/replace_file.h"
#include "packager/sha256.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_notes = 10'000; // then it begins anew
constexpr std::size_t k_max_file_bytes = 4 * k_mib;

Digest key_of(const BundleFile& file) {
  Json segments = Json::array();
  for (const Segment& segment : file.segments)
    segments.push_back({segment.blob.hex(), segment.offset, segment.length});
  return Sha256::of(canonical_json(segments));
}

} // namespace

WholeDigests::WholeDigests(std::filesystem::path file) : m_file(std::move(file)) {
  if (m_file.empty()) return;
  const auto text = read_file(m_file.string(), k_max_file_bytes, ErrorCode::io, ErrorCode::io);
  if (!text) return;
  const auto notes = parse_json(*text, ErrorCode::io, "notes", {k_max_file_bytes, 4});
  if (!notes || !notes->is_object()) return;
  for (const auto& [key, value] : notes->items()) {
    const auto segments = Digest::parse_hex(key);
    const auto whole = Digest::parse_hex(value.is_string() ? value.get<std::string>() : "");
    if (segments && whole && m_known.size() < k_max_notes) m_known.emplace(*segments, *whole);
  }
}

std::optional<Digest> WholeDigests::find(const BundleFile& file) const {
  const auto found = m_known.find(key_of(file));
  return found == m_known.end() ? std::nullopt : std::optional(found->second);
}

void WholeDigests::note(const BundleFile& file, const Digest& whole) {
  if (m_known.size() >= k_max_notes) m_known.clear();
  m_known[key_of(file)] = whole;
  m_changed = true;
}

void WholeDigests::save() const {
  if (!m_changed || m_file.empty()) return;
  Json notes = Json::object();
  for (const auto& [segments, whole] : m_known)
    notes[segments.hex()] = whole.hex();
  std::error_code error;
  std::filesystem::create_directories(m_file.parent_path(), error);
  (void)replace_file(m_file, canonical_json(notes), 0600, Durable::no,
                     ErrorCode::io); // else they are hashed again
}

} // namespace mrun
