// The file door: how bundle files and input files reach a predictor, which never gets a path.
//
// A bundle file is the concatenation of segments of blobs below an inherited directory descriptor; a blob is
// opened by its 64 hex digits alone. A file becomes an `mrun_file` whose span() maps and whose open() gives a
// descriptor. Any thread may call span and open; everything mapped lives as long as its door.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/fd.h"
#include "common/json.h"
#include "runtime/mrun_predictor.h"

namespace mrun {

// One file behind an mrun_file; `impl` of the C struct points here.
class DoorFile {
 public:
  virtual ~DoorFile() = default;
  DoorFile() = default;
  DoorFile(const DoorFile&) = delete;
  DoorFile& operator=(const DoorFile&) = delete;

  virtual const std::string& name() const = 0;
  virtual std::uint64_t size_bytes() const = 0;
  // A contiguous read-only view; valid until the file is destroyed, and the same for the same range. Error
  // load_failed: outside of the file, or the store does not hold what the spec says.
  virtual Result<std::string_view> span(std::uint64_t offset, std::uint64_t length) const = 0;
  // A new read-only descriptor of the whole file, at offset 0.
  virtual Result<UniqueFd> open() const = 0;

  mrun_file abi() const; // valid as long as this object

 protected:
  Result<void> check_range(std::uint64_t offset, std::uint64_t length) const; // load_failed: outside
};

// Every file of one bundle.
class FileDoor {
 public:
  // `files`: the array of the model spec (docs/formats/model-spec.md). `blobs`: descriptor of blobs/sha256.
  // Opens nothing yet. Error load_failed: the array breaks its format, with the entry's number.
  static Result<FileDoor> make(const Json& files, UniqueFd blobs);
  FileDoor(FileDoor&&) noexcept;
  FileDoor& operator=(FileDoor&&) noexcept;
  ~FileDoor();

  const std::vector<mrun_file>& abi_files() const { return m_abi; }
  const DoorFile* find(std::string_view path) const; // nullptr when there is none
  std::size_t size() const { return m_abi.size(); }

 private:
  FileDoor();
  UniqueFd m_blobs;
  std::vector<std::unique_ptr<DoorFile>> m_files; // sorted by name
  std::vector<mrun_file> m_abi;                   // in the spec's order
};

// A file that came with a prediction: a sealed memfd or a regular file. Error input_file: not a regular file,
// or not `size_bytes` long.
Result<std::unique_ptr<DoorFile>> input_file(UniqueFd fd, std::string name, std::uint64_t size_bytes);

} // namespace mrun
