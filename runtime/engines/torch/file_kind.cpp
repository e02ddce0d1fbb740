#include "runtime/engines/torch/model.h"

namespace mrun::torch_engine {

FileKind kind_of(std::span<const ZipMember> members) {
  bool exported = false, script = false, pickled = false, native = false, old_export = false;
  for (const ZipMember& member : members) {
    // Members lie below one folder named after the archive, or at the top.
    const std::string_view whole = member.name;
    const std::size_t slash = whole.find('/');
    for (const std::string_view name :
         {whole, slash == std::string_view::npos ? whole : whole.substr(slash + 1)}) {
      native = native || name.starts_with("data/aotinductor/");
      exported = exported || (name.starts_with("models/") && name.ends_with(".json"));
      script = script || name.starts_with("code/");
      pickled = pickled || name == "data.pkl";
      old_export = old_export || name == "serialized_exported_program.json";
    }
  }
  if (native) return FileKind::aot_inductor;
  if (exported) return FileKind::exported_program;
  if (old_export) return FileKind::old_export;
  if (script) return FileKind::torchscript;
  return pickled ? FileKind::pickled_tensors : FileKind::unknown;
}

} // namespace mrun::torch_engine
