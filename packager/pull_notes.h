// What an interrupted pull has brought, and what it wants still: notes in the store's tmp/ (kept-HEX), which
// count for a day. gc leaves the blobs that they name; the next pull of an archive takes the files that were
// unpacked of it, instead of the archive. docs/formats/store.md has their form.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "packager/bundle_format.h"
#include "packager/store_writer.h"

namespace mrun {

// Before anything large moves: all blobs of a manifest, those that are here too.
Result<void> note_pull(Store::Writer& writer, const Digest& manifest, const std::vector<BlobClaim>& blobs);
// After an archive was unpacked: its files, each one blob of the store.
Result<void> note_unpacked(Store::Writer& writer, const Digest& archive,
                           const std::vector<BundleFile>& files);
// nullopt: none is noted, or not all of them are in the store any more.
std::optional<std::vector<BundleFile>> find_unpacked(const Store& store, const Digest& archive);
// Of a manifest, while its pull goes on: a long one counts from its end.
void refresh_note(Store::Writer& writer, const Digest& manifest);
// Of a manifest or an archive, when the pull has ended.
void drop_note(Store::Writer& writer, const Digest& digest);

// What a note names; nothing where it can't be read.
std::vector<Digest> noted_blobs(std::string_view text);

} // namespace mrun
