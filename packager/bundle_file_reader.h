// A file of a bundle, read out of the store: whole or cut into segments, it looks like one file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "packager/store.h"
#include "packager/weights/weight_layout.h"

namespace mrun {

// Sizes are checked, content is not hashed: that was done when it came, and `mrun verify` does it again. The
// blob that was read last stays open, so reading in order opens each blob once. Store and file outlive the
// reader; one thread at a time.
class BundleFileReader {
 public:
  using Take = std::function<Result<void>(std::string_view bytes)>;

  BundleFileReader(const Store& store, const BundleFile& file);

  const BundleFile& file() const { return m_file; }
  std::uint64_t size() const { return m_file.size; }
  // `length` bytes at `offset`; the caller knows that they are few enough for memory. Errors: store_corrupt
  // (a blob is missing or too short, or the stretch is not inside the file), io.
  Result<std::string> read(std::uint64_t offset, std::uint64_t length);
  // The same stretch of any length in pieces of up to 1 MiB, in order. Errors: also those of `take`.
  Result<void> stream(std::uint64_t offset, std::uint64_t length, const Take& take);
  // For read_weight_layout(); borrows the reader.
  ReadAt read_at();

  // The segments that a stretch of the file lies in, cut to it. Error store_corrupt: it is not inside the
  // file.
  Result<std::vector<Segment>> segments(std::uint64_t offset, std::uint64_t length) const;

 private:
  Result<void> open(const Digest& blob);

  const Store& m_store;
  const BundleFile& m_file;
  std::vector<std::uint64_t> m_ends; // of the segments, from the start of the file
  Digest m_open_blob;
  UniqueFd m_open;
};

// The sha256 of a file's content as one piece: of a whole file its blob's digest, without reading.
// `on_progress`: bytes of this file that are done.
Result<Digest> hash_bundle_file(const Store& store, const BundleFile& file,
                                const std::function<void(std::uint64_t done_bytes)>& on_progress = {});

} // namespace mrun
