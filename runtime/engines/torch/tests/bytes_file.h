// A model file that is a text in memory, for tests of what reads one.
#pragma once

#include <string>

#include "runtime/mrun_predictor.h"

namespace mrun::test {

// Valid as long as `bytes` is, which must not change.
inline mrun_file file_of(const std::string& bytes) {
  mrun_file file{};
  file.struct_size = sizeof file;
  file.name = {"model.pt2", 9};
  file.size = bytes.size();
  file.impl = const_cast<char*>(bytes.data());
  file.span = [](const mrun_file* self, std::uint64_t offset, std::uint64_t length,
                 const void** data) -> mrun_status {
    if (offset > self->size || length > self->size - offset) return MRUN_FAILED;
    *data = static_cast<const char*>(self->impl) + offset;
    return MRUN_OK;
  };
  return file;
}

} // namespace mrun::test
