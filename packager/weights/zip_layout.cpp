// ZIP archives, as torch.save and torch.export write them: a tensor is a stored member.
#include "common/zip_directory.h"
#include "packager/weights/layout_readers.h"

namespace mrun {

Result<std::optional<WeightLayout>> read_zip_layout(std::uint64_t file_bytes, const ReadAt& read_at) {
  // A file that can't be read says so again when it is packed.
  const Result<ZipDirectory> directory = ZipDirectory::read(file_bytes, read_at);
  if (!directory) return std::nullopt;
  WeightLayout layout{WeightFormat::zip, {}};
  for (const ZipMember& member : directory->members())
    layout.tensors.push_back({member.name, {}, {}, member.offset, member.size_bytes});
  if (!order_tensors(layout.tensors, 0, file_bytes)) return std::nullopt;
  return layout;
}

} // namespace mrun
