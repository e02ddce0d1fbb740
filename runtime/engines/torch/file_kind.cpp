#include <fmt/format.h>

#include "common/text.h"
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

tl::unexpected<Error> refuse_kind(FileKind kind) {
  switch (kind) {
  case FileKind::old_export:
    return fail(
        ErrorCode::engine_unsupported, "the file is an exported program in the format before torch 2.8",
        "load and save it again with a newer torch: torch.export.save(torch.export.load(FILE), FILE)");
  case FileKind::pickled_tensors:
    return fail(ErrorCode::engine_unsupported, "the file holds pickled tensors (torch.save), not a program",
                "export the model: torch.export.save(torch.export.export(model, inputs), FILE)");
  default:
    return fail(ErrorCode::engine_unsupported,
                "the archive is neither an exported program (.pt2) nor TorchScript (.pt)");
  }
}

tl::unexpected<Error> refuse_pickled(std::string_view weight) {
  return fail(ErrorCode::engine_unsupported,
              fmt::format("weight `{}` is a pickled object (a tensor subclass or custom class)",
                          printable(weight, 120)),
              "export the model with plain tensors");
}

} // namespace mrun::torch_engine
