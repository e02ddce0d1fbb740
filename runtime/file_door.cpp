#include "runtime/file_door.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/digest.h"
#include "common/limits.h"
#include "common/safe_path.h"
#include "common/text.h"
#include "runtime/segment_file.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_segments = 1'000'000;

class InputDoorFile : public DoorFile {
 public:
  InputDoorFile(UniqueFd fd, std::string name, Mapping mapping)
      : m_fd(std::move(fd)),
        m_name(std::move(name)),
        m_mapping(std::move(mapping)) {}

  const std::string& name() const override { return m_name; }
  std::uint64_t size_bytes() const override { return m_mapping.bytes().size(); }

  Result<std::string_view> span(std::uint64_t offset, std::uint64_t length) const override {
    MRUN_TRY(check_range(offset, length));
    return length == 0 ? std::string_view("") : m_mapping.text().substr(offset, length);
  }

  // An unnamed file can't be opened again below a directory, and a duplicate would share its offset: a copy
  // it is.
  Result<UniqueFd> open() const override { return sealed_memfd("mrun-input", m_mapping.text()); }

 private:
  UniqueFd m_fd;
  std::string m_name;
  Mapping m_mapping;
};

mrun_status door_span(const mrun_file* file, std::uint64_t offset, std::uint64_t length, const void** data) {
  if (file == nullptr || data == nullptr) return MRUN_FAILED;
  const auto view = static_cast<const DoorFile*>(file->impl)->span(offset, length);
  if (!view) return MRUN_FAILED;
  *data = view->data();
  return MRUN_OK;
}

mrun_status door_open(const mrun_file* file, int* fd) {
  if (file == nullptr || fd == nullptr) return MRUN_FAILED;
  auto opened = static_cast<const DoorFile*>(file->impl)->open();
  if (!opened) return MRUN_FAILED;
  *fd = opened->release();
  return MRUN_OK;
}

Result<std::uint64_t> need_size(const Json& object, const char* key, const std::string& what) {
  MRUN_ASSIGN(const std::int64_t value, need_integer(object, key, ErrorCode::load_failed, what));
  if (value < 0) return fail(ErrorCode::load_failed, fmt::format("{}: `{}` is negative", what, key));
  return static_cast<std::uint64_t>(value);
}

Result<std::vector<DoorSegment>> parse_segments(const Json& entry, std::uint64_t size,
                                                const std::string& what) {
  const auto list = entry.find("segments");
  if (list == entry.end() || !list->is_array() || list->size() > k_max_segments)
    return fail(ErrorCode::load_failed, what + ": `segments` is not a list");
  std::vector<DoorSegment> segments;
  std::uint64_t sum = 0;
  for (const Json& part : *list) {
    if (!part.is_object()) return fail(ErrorCode::load_failed, what + ": a segment is not an object");
    DoorSegment segment;
    MRUN_ASSIGN(const std::string hex, need_string(part, "blob", ErrorCode::load_failed, what));
    MRUN_ASSIGN(segment.blob, Digest::parse_hex(hex));
    MRUN_ASSIGN(segment.offset, need_size(part, "offset", what));
    MRUN_ASSIGN(segment.length, need_size(part, "length", what));
    sum += segment.length; // both are below 2^63: one addition can't wrap, and a sum over `size` stops here
    if (sum > size) break;
    if (segment.length > 0) segments.push_back(segment);
  }
  if (sum != size)
    return fail(ErrorCode::load_failed,
                fmt::format("{}: its segments do not add up to {} bytes", what, size));
  return segments;
}

} // namespace

Result<void> DoorFile::check_range(std::uint64_t offset, std::uint64_t length) const {
  if (offset > size_bytes() || length > size_bytes() - offset)
    return fail(ErrorCode::load_failed, fmt::format("bytes {}+{} of `{}` were asked for, it has {}", offset,
                                                    length, printable(name()), size_bytes()));
  return {};
}

mrun_file DoorFile::abi() const {
  mrun_file file{};
  file.struct_size = sizeof file;
  file.name = {name().data(), name().size()};
  file.size = size_bytes();
  file.impl = const_cast<DoorFile*>(this);
  file.span = door_span;
  file.open = door_open;
  return file;
}

FileDoor::FileDoor() = default;
FileDoor::FileDoor(FileDoor&&) noexcept = default;
FileDoor& FileDoor::operator=(FileDoor&&) noexcept = default;
FileDoor::~FileDoor() = default;

Result<FileDoor> FileDoor::make(const Json& files, UniqueFd blobs) {
  if (!files.is_array() || files.size() > k_max_bundle_files)
    return fail(ErrorCode::load_failed, "the model spec's `files` is not a list of files");
  FileDoor door;
  door.m_blobs = std::move(blobs);
  std::size_t number = 0;
  for (const Json& entry : files) {
    const std::string what = fmt::format("file {} of the model spec", number++);
    if (!entry.is_object()) return fail(ErrorCode::load_failed, what + " is not an object");
    MRUN_ASSIGN(const std::string path, need_string(entry, "path", ErrorCode::load_failed, what));
    MRUN_ASSIGN(const SafePath safe, SafePath::parse(path));
    MRUN_ASSIGN(const std::uint64_t size, need_size(entry, "size", what));
    MRUN_ASSIGN(const auto segments, parse_segments(entry, size, what));
    door.m_files.push_back(std::make_unique<SegmentFile>(door.m_blobs.get(), safe.text(), size, segments));
    door.m_abi.push_back(door.m_files.back()->abi());
  }
  std::sort(door.m_files.begin(), door.m_files.end(),
            [](const auto& a, const auto& b) { return a->name() < b->name(); });
  for (std::size_t i = 1; i < door.m_files.size(); ++i)
    if (door.m_files[i - 1]->name() == door.m_files[i]->name())
      return fail(ErrorCode::load_failed,
                  fmt::format("the model spec names `{}` twice", printable(door.m_files[i]->name())));
  return door;
}

const DoorFile* FileDoor::find(std::string_view path) const {
  const auto found =
      std::lower_bound(m_files.begin(), m_files.end(), path,
                       [](const auto& file, std::string_view name) { return file->name() < name; });
  return found != m_files.end() && (*found)->name() == path ? found->get() : nullptr;
}

Result<std::unique_ptr<DoorFile>> input_file(UniqueFd fd, std::string name, std::uint64_t size_bytes) {
  auto size = file_size(fd.get(), "input file `" + printable(name) + "`");
  if (!size) return fail(ErrorCode::input_file, size.error().message);
  if (*size != size_bytes)
    return fail(ErrorCode::input_file, fmt::format("input file `{}` has {} bytes, {} were announced",
                                                   printable(name), *size, size_bytes));
  MRUN_ASSIGN(Mapping mapping, Mapping::map(fd.get(), 0, static_cast<std::size_t>(size_bytes)));
  return std::make_unique<InputDoorFile>(std::move(fd), std::move(name), std::move(mapping));
}

} // namespace mrun
