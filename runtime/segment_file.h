// A bundle file: the concatenation of segments of blobs, which looks like one file. Internal to the file
// door.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/digest.h"
#include "common/fd.h"
#include "runtime/address_area.h"
#include "runtime/file_door.h"

namespace mrun {

// A part of a blob.
struct DoorSegment {
  Digest blob;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// A view inside one segment is a view of its blob, and each blob is mapped once. A view over several segments
// is made of their parts side by side: mapped where the blobs' pages fall on pages there, else copied.
// Nothing outside of the range that is asked for is touched.
class SegmentFile : public DoorFile {
 public:
  // `blobs`: descriptor of blobs/sha256, the door's. No segment is empty, and together they have `size`
  // bytes.
  SegmentFile(int blobs, std::string name, std::uint64_t size, const std::vector<DoorSegment>& segments);

  const std::string& name() const override { return m_name; }
  std::uint64_t size_bytes() const override { return m_size; }
  Result<std::string_view> span(std::uint64_t offset, std::uint64_t length) const override;
  Result<UniqueFd> open() const override;

 private:
  struct Segment {
    std::uint64_t begin = 0;  // in the file
    std::uint64_t offset = 0; // in its blob
    std::size_t blob = 0;     // index of m_blobs
  };
  // The stretch of a blob that the file's segments lie in.
  struct Blob {
    Digest digest;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    Mapping mapping; // made when first asked for
  };
  // What a range has in one segment.
  struct Part {
    std::size_t blob = 0;
    std::uint64_t offset = 0; // in the blob
    std::uint64_t length = 0;
  };
  // The bytes of a range over several segments: small ones on the heap, others in an area of their own.
  struct Joined {
    std::unique_ptr<char[]> heap;
    AddressArea area;
    std::string_view view;
  };

  std::size_t segment_at(std::uint64_t offset) const;
  std::uint64_t end_of(std::size_t segment) const;
  std::vector<Part> parts_of(std::uint64_t offset, std::uint64_t length) const;
  Result<UniqueFd> open_blob(const Blob& blob) const;
  Result<std::string_view> mapped(const Part& part) const;
  Result<Joined> join(const std::vector<Part>& parts, std::uint64_t length) const;
  Result<void> place(const Part& part, AddressArea& area, std::uint64_t at, bool is_first,
                     bool is_last) const;
  Result<void> copy(const Part& part, char* to) const;
  Result<void> read(const Part& part, const std::function<Result<void>(std::string_view)>& take) const;

  int m_blobs_fd; // the door's
  std::string m_name;
  std::uint64_t m_size;
  std::vector<Segment> m_segments;
  mutable std::mutex m_mutex; // the members below: the mappings, made when first asked for
  mutable std::vector<Blob> m_blobs;
  mutable std::map<std::pair<std::uint64_t, std::uint64_t>, Joined> m_joined; // by offset and length
};

} // namespace mrun
