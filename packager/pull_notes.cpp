#include "packager/pull_notes.h"

#include <fmt/format.h>

#include "common/json.h"

namespace mrun {
namespace {

constexpr std::string_view k_schema = "mrun.pull-note/v1";

std::string name_of(const Digest& digest) {
  return fmt::format("{}{}", k_note_prefix, digest.hex());
}

// What does not fit is fetched again, should it come to that.
Result<void> write(Store::Writer& writer, const Digest& digest, Json entries) {
  const std::string text = canonical_json({{"schema", k_schema}, {"blobs", std::move(entries)}});
  if (text.size() > k_max_note_bytes) return {};
  return writer.write_note(name_of(digest), text);
}

// The list of a note; an empty one where it is none.
Json entries_of(std::string_view text) {
  auto note = parse_json(text, ErrorCode::io, "a note", {k_max_note_bytes, 4});
  if (!note || !note->is_object() || note->value("schema", Json()) != k_schema) return Json::array();
  Json entries = note->value("blobs", Json::array());
  return entries.is_array() ? entries : Json::array();
}

// [hex, size, mode, path]
std::optional<BundleFile> read_file_entry(const Json& entry) {
  if (!entry.is_array() || entry.size() != 4 || !entry[0].is_string() || !entry[1].is_number_unsigned() ||
      !entry[2].is_number_unsigned() || !entry[3].is_string())
    return std::nullopt;
  const auto digest = Digest::parse_hex(entry[0].get<std::string>());
  auto path = SafePath::parse(entry[3].get<std::string>());
  const auto size = entry[1].get<std::uint64_t>();
  if (!digest || !path) return std::nullopt;
  return BundleFile{std::move(*path), entry[2] == 0755U ? 0755U : 0644U, size, {{*digest, 0, size}}};
}

} // namespace

Result<void> note_pull(Store::Writer& writer, const Digest& manifest, const std::vector<BlobClaim>& blobs) {
  Json entries = Json::array();
  for (const BlobClaim& blob : blobs)
    entries.push_back({blob.digest.hex()});
  return write(writer, manifest, std::move(entries));
}

Result<void> note_unpacked(Store::Writer& writer, const Digest& archive,
                           const std::vector<BundleFile>& files) {
  Json entries = Json::array();
  for (const BundleFile& file : files)
    entries.push_back({file.segments.front().blob.hex(), file.size, file.mode, file.path.text()});
  return write(writer, archive, std::move(entries));
}

std::optional<std::vector<BundleFile>> find_unpacked(const Store& store, const Digest& archive) {
  const std::string text = Store::Writer::read_note(store, name_of(archive));
  if (text.empty()) return std::nullopt;
  std::vector<BundleFile> files;
  for (const Json& entry : entries_of(text)) {
    std::optional<BundleFile> file = read_file_entry(entry);
    if (!file || !store.has_blob(file->segments.front().blob, file->size)) return std::nullopt;
    files.push_back(std::move(*file));
  }
  if (files.empty() || files.size() > k_max_bundle_files) return std::nullopt;
  return files;
}

void refresh_note(Store::Writer& writer, const Digest& manifest) {
  writer.touch_note(name_of(manifest));
}

void drop_note(Store::Writer& writer, const Digest& digest) {
  writer.drop_note(name_of(digest));
}

std::vector<Digest> noted_blobs(std::string_view text) {
  std::vector<Digest> blobs;
  for (const Json& entry : entries_of(text)) {
    const bool named = entry.is_array() && !entry.empty() && entry[0].is_string();
    if (const auto digest = named ? Digest::parse_hex(entry[0].get<std::string>())
                                  : Result<Digest>(fail(ErrorCode::io, "no digest")))
      blobs.push_back(*digest);
  }
  return blobs;
}

} // namespace mrun
