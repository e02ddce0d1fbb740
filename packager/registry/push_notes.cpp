#include "packager/registry/push_notes.h"

#include <algorithm>

#include <fcntl.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/json.h"
#include "common/replace_file.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_notes = 1000;
constexpr std::size_t k_max_bytes = 1 * k_mib;
constexpr std::string_view k_schema = "mrun.push-notes/v1";

} // namespace

std::vector<PushNote> PushNotes::read() const {
  std::vector<PushNote> notes;
  const UniqueFd fd(::open(m_file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return notes;
  const auto text = read_all(fd.get(), k_max_bytes, "the notes of pushes", ErrorCode::io);
  if (!text) return notes;
  const auto json = parse_json(*text, ErrorCode::io, "the notes of pushes", {k_max_bytes, 4});
  if (!json || !json->is_object() || json->value("schema", Json()) != k_schema) return notes;
  for (const Json& entry : json->value("pushed", Json::array())) {
    if (notes.size() == k_max_notes || !entry.is_array() || entry.size() != 2 || !entry[0].is_string() ||
        !entry[1].is_string())
      break;
    const auto version = Digest::parse_hex(entry[1].get<std::string>());
    if (version) notes.push_back({entry[0].get<std::string>(), *version});
  }
  return notes;
}

void PushNotes::add(PushNote note) const {
  if (m_file.empty()) return;
  std::vector<PushNote> notes = read();
  std::erase_if(
      notes, [&](const PushNote& old) { return old.origin == note.origin && old.version == note.version; });
  notes.insert(notes.begin(), std::move(note));
  if (notes.size() > k_max_notes) notes.resize(k_max_notes);
  Json pushed = Json::array();
  for (const PushNote& one : notes)
    pushed.push_back({one.origin, one.version.hex()});
  std::error_code ignored;
  std::filesystem::create_directories(m_file.parent_path(), ignored);
  const std::string text = canonical_json({{"schema", k_schema}, {"pushed", std::move(pushed)}});
  (void)replace_file(m_file, text, 0600, Durable::no,
                     ErrorCode::io); // without it, more is asked for next time
}

} // namespace mrun
