#include "runtime/file_door.h"

#include <algorithm>
#include <cerrno>
#include <mutex>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/limits.h"
#include "common/safe_path.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_segments = 1'000'000;

std::uint64_t page_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

Result<void> check_range(const DoorFile& file, std::uint64_t offset, std::uint64_t length) {
  if (offset > file.size_bytes() || length > file.size_bytes() - offset)
    return fail(ErrorCode::load_failed, fmt::format("bytes {}+{} of `{}` were asked for, it has {}", offset,
                                                    length, printable(file.name()), file.size_bytes()));
  return {};
}

// A file in one place of address space: reserved, then filled by fixed mappings or by reads.
class Assembly {
 public:
  Assembly() = default;
  Assembly(const Assembly&) = delete;
  Assembly& operator=(const Assembly&) = delete;
  ~Assembly() {
    if (m_base != nullptr) ::munmap(m_base, m_size);
  }

  Result<void> reserve(std::uint64_t size) {
    void* base =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return fail_errno(ErrorCode::resources, errno, "can't reserve memory for a file");
    m_base = static_cast<char*>(base);
    m_size = size;
    return {};
  }

  Result<void> place(int fd, const DoorSegment& segment, std::uint64_t at) {
    const std::uint64_t page = page_bytes();
    if (at % page == 0 && segment.offset % page == 0 &&
        (segment.length % page == 0 || at + segment.length == m_size)) {
      if (::mmap(m_base + at, segment.length, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd,
                 static_cast<off_t>(segment.offset)) == MAP_FAILED)
        return fail_errno(ErrorCode::io, errno, "can't map a part of a file");
      return {};
    }
    return copy(fd, segment, at);
  }

  Result<void> protect() {
    if (::mprotect(m_base, m_size, PROT_READ) < 0)
      return fail_errno(ErrorCode::io, errno, "can't protect a file in memory");
    return {};
  }

  std::string_view text() const { return {m_base, m_size}; }

 private:
  Result<void> copy(int fd, const DoorSegment& segment, std::uint64_t at) {
    std::uint64_t done = 0;
    while (done < segment.length) {
      const ssize_t got =
          ::pread(fd, m_base + at + done, segment.length - done, static_cast<off_t>(segment.offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_errno(ErrorCode::io, errno, "can't read a part of a file");
      if (got == 0)
        return fail(ErrorCode::load_failed, fmt::format("blob {} ends early", segment.blob.short_hex()));
      done += static_cast<std::uint64_t>(got);
    }
    return {};
  }

  char* m_base = nullptr;
  std::size_t m_size = 0;
};

class BundleDoorFile : public DoorFile {
 public:
  BundleDoorFile(int blobs, std::string name, std::uint64_t size, std::vector<DoorSegment> segments)
      : m_blobs(blobs),
        m_name(std::move(name)),
        m_size(size),
        m_segments(std::move(segments)),
        m_maps(m_segments.size()) {}

  const std::string& name() const override { return m_name; }
  std::uint64_t size_bytes() const override { return m_size; }

  Result<std::string_view> span(std::uint64_t offset, std::uint64_t length) const override {
    MRUN_TRY(check_range(*this, offset, length));
    if (length == 0) return std::string_view();
    const std::scoped_lock lock(m_mutex);
    std::uint64_t begin = 0;
    for (std::size_t i = 0; i < m_segments.size(); ++i) {
      const std::uint64_t end = begin + m_segments[i].length;
      if (offset >= begin && offset + length <= end) {
        MRUN_ASSIGN(const std::string_view whole, map_segment(i));
        return whole.substr(offset - begin, length);
      }
      begin = end;
    }
    MRUN_ASSIGN(const std::string_view whole, assemble());
    return whole.substr(offset, length);
  }

  Result<UniqueFd> open() const override {
    if (m_segments.size() == 1 && m_segments[0].offset == 0) {
      MRUN_ASSIGN(UniqueFd fd, open_segment(0));
      MRUN_ASSIGN(const std::uint64_t blob_size, file_size(fd.get(), "a blob"));
      if (blob_size == m_size) return fd;
    }
    MRUN_ASSIGN(const std::string_view whole, span(0, m_size));
    return sealed_memfd("mrun-file", whole);
  }

 private:
  // Opens and checks that the blob reaches as far as the spec says: later accesses can't run off its end.
  Result<UniqueFd> open_segment(std::size_t index) const {
    const DoorSegment& segment = m_segments[index];
    auto fd = real_file_system().open(m_blobs, segment.blob.hex(), O_RDONLY | O_CLOEXEC, 0);
    if (!fd)
      return fail(ErrorCode::load_failed,
                  fmt::format("blob {} of `{}` can't be opened: {}", segment.blob.short_hex(),
                              printable(m_name), fd.error().message));
    MRUN_ASSIGN(const std::uint64_t size, file_size(fd->get(), "blob " + segment.blob.short_hex()));
    if (segment.offset > size || segment.length > size - segment.offset)
      return fail(ErrorCode::load_failed,
                  fmt::format("blob {} has {} bytes, `{}` needs {}+{}", segment.blob.short_hex(), size,
                              printable(m_name), segment.offset, segment.length));
    return std::move(*fd);
  }

  Result<std::string_view> map_segment(std::size_t index) const {
    if (m_maps[index].bytes().empty()) {
      MRUN_ASSIGN(const UniqueFd fd, open_segment(index));
      MRUN_ASSIGN(m_maps[index], Mapping::map(fd.get(), m_segments[index].offset, m_segments[index].length));
    }
    return m_maps[index].text();
  }

  Result<std::string_view> assemble() const {
    if (m_assembly) return m_assembly->text();
    auto assembly = std::make_unique<Assembly>();
    MRUN_TRY(assembly->reserve(m_size));
    std::uint64_t at = 0;
    for (std::size_t i = 0; i < m_segments.size(); ++i) {
      MRUN_ASSIGN(const UniqueFd fd, open_segment(i));
      MRUN_TRY(assembly->place(fd.get(), m_segments[i], at));
      at += m_segments[i].length;
    }
    MRUN_TRY(assembly->protect());
    m_assembly = std::move(assembly);
    return m_assembly->text();
  }

  int m_blobs; // the door's
  std::string m_name;
  std::uint64_t m_size;
  std::vector<DoorSegment> m_segments; // none is empty
  mutable std::mutex m_mutex;          // the mappings, made when first asked for
  mutable std::vector<Mapping> m_maps; // one per segment
  mutable std::unique_ptr<Assembly> m_assembly;
};

class InputDoorFile : public DoorFile {
 public:
  InputDoorFile(UniqueFd fd, std::string name, Mapping mapping)
      : m_fd(std::move(fd)),
        m_name(std::move(name)),
        m_mapping(std::move(mapping)) {}

  const std::string& name() const override { return m_name; }
  std::uint64_t size_bytes() const override { return m_mapping.bytes().size(); }

  Result<std::string_view> span(std::uint64_t offset, std::uint64_t length) const override {
    MRUN_TRY(check_range(*this, offset, length));
    return length == 0 ? std::string_view() : m_mapping.text().substr(offset, length);
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
    MRUN_ASSIGN(auto segments, parse_segments(entry, size, what));
    door.m_files.push_back(
        std::make_unique<BundleDoorFile>(door.m_blobs.get(), safe.text(), size, std::move(segments)));
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
