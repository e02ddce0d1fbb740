#include "runtime/engines/torch/archive.h"

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::torch_engine {

Result<std::string_view> span_of(const mrun_file& file, std::uint64_t offset, std::uint64_t length) {
  const void* data = nullptr;
  if (file.span(&file, offset, length, &data) != MRUN_OK)
    return fail(ErrorCode::load_failed,
                fmt::format("bytes {}+{} of `{}` ({} bytes) can't be mapped", offset, length,
                            printable({file.name.data, file.name.size}, 200), file.size));
  return std::string_view(static_cast<const char*>(data), length);
}

Result<Archive> Archive::open(const mrun_file& file) {
  MRUN_ASSIGN(
      ZipDirectory directory,
      ZipDirectory::read(file.size, [&](std::uint64_t offset, std::uint64_t length) -> Result<std::string> {
        MRUN_ASSIGN(const std::string_view bytes, span_of(file, offset, length));
        return std::string(bytes);
      }));
  return Archive(file, std::move(directory));
}

Result<std::string_view> Archive::stored_bytes(std::string_view name) const {
  const ZipMember* member = m_directory.find(name);
  const std::string shown = printable(name, 120);
  if (member == nullptr)
    return fail(ErrorCode::load_failed, fmt::format("the archive is damaged: member `{}` is missing", shown));
  if (!member->stored)
    return fail(ErrorCode::load_failed,
                fmt::format("the archive is damaged: member `{}` is compressed", shown));
  return span_of(*m_file, member->offset, member->size_bytes);
}

} // namespace mrun::torch_engine
