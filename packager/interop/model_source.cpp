#include "packager/interop/model_source.h"

#include <algorithm>
#include <memory>

#include "common/fd.h"
#include "common/text.h"
#include "packager/bundle_file_reader.h"

namespace mrun {

const SourceFile* ModelSource::find(std::string_view path) const {
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const SourceFile& file) { return file.path.text() == path; });
  return found == files.end() ? nullptr : &*found;
}

std::vector<const SourceFile*> ModelSource::with_suffix(std::string_view suffix) const {
  std::vector<const SourceFile*> found;
  for (const SourceFile& file : files)
    if (lower_ascii(file.path.text()).ends_with(suffix)) found.push_back(&file);
  return found;
}

Result<std::string> ModelSource::read_small(std::string_view path, std::size_t limit) const {
  const SourceFile* file = find(path);
  if (file == nullptr || file->size > limit) return std::string();
  return file->read_at(0, file->size);
}

ModelSource source_of(const Store& store, const std::vector<BundleFile>& files) {
  ModelSource source;
  for (const BundleFile& file : files) {
    // shared: a function is copyable, a reader is not
    const auto reader = std::make_shared<BundleFileReader>(store, file);
    source.files.push_back({file.path, file.size, [reader](std::uint64_t offset, std::uint64_t length) {
                              return reader->read(offset, length);
                            }});
  }
  return source;
}

} // namespace mrun
