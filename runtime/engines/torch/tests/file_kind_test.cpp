// What an archive holds, seen by its members' names.
#include <doctest/doctest.h>

#include "runtime/engines/torch/model.h"

namespace mrun::torch_engine {
namespace {

TEST_CASE("what a file is, is seen by its members") {
  const auto kind = [](const std::vector<std::string>& names) {
    std::vector<ZipMember> members;
    for (const std::string& name : names)
      members.push_back({name, 0, 0, true, 0});
    return kind_of(members);
  };
  CHECK(kind({"m/models/model.json", "m/data/weights/weight_0"}) == FileKind::exported_program);
  CHECK(kind({"m/models/model.json", "m/data/aotinductor/model/a.so"}) == FileKind::aot_inductor);
  CHECK(kind({"m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"}) == FileKind::torchscript);
  CHECK(kind({"archive/data.pkl", "archive/data/0"}) == FileKind::pickled_tensors);
  CHECK(kind({"serialized_exported_program.json", "serialized_state_dict.pt"}) == FileKind::old_export);
  CHECK(kind({"word/document.xml"}) == FileKind::unknown);
}

} // namespace
} // namespace mrun::torch_engine
