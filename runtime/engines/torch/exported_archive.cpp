#include "runtime/engines/torch/exported_archive.h"

#include <fmt/format.h>

namespace mrun::torch_engine {

Result<ProgramPlace> locate_program(const Archive& archive) {
  std::vector<ProgramPlace> found;
  for (const ZipMember& member : archive.directory().members()) {
    const std::string_view path = member.name;
    const std::size_t folder = path.find("models/");
    const bool top = folder == 0 || (folder != std::string_view::npos && path.find('/') == folder - 1);
    if (!top || !path.ends_with(".json")) continue;
    const std::string_view stem = path.substr(folder + 7, path.size() - folder - 12);
    if (stem.find('/') == std::string_view::npos)
      found.push_back({std::string(path.substr(0, folder)), std::string(stem)});
  }
  if (found.size() == 1) return std::move(found.front());
  return fail(ErrorCode::engine_unsupported,
              fmt::format("the archive holds {} programs; an archive with one is needed", found.size()),
              "save one program with torch.export.save");
}

Result<Payloads> read_payloads(const Archive& archive, const ProgramPlace& place, std::string_view part) {
  const std::string path = fmt::format("{}{}_{}_config.json", place.folder(part), place.name, part);
  if (archive.directory().find(path) == nullptr) return Payloads();
  MRUN_ASSIGN(const std::string_view json, archive.stored_bytes(path));
  return parse_payloads(json, part);
}

} // namespace mrun::torch_engine
