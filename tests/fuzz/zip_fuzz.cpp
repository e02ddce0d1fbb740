// Directories of ZIP archives: members lie inside the file, do not overlap, and each is found by its name.
#include <algorithm>

#include "common/zip_directory.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  const auto directory = ZipDirectory::read(bytes.size(), fuzz::file_of(bytes));
  if (!directory) {
    fuzz::check_error(directory.error());
    return 0;
  }
  std::vector<ZipMember> members(directory->members().begin(), directory->members().end());
  for (const ZipMember& member : directory->members())
    MRUN_CHECK(directory->find(member.name) == &member);
  std::ranges::sort(members, {}, &ZipMember::local_offset);
  std::uint64_t end = 0;
  for (const ZipMember& member : members) {
    MRUN_CHECK(member.local_offset >= end && member.offset > member.local_offset);
    MRUN_CHECK(member.offset <= size && member.size_bytes <= size - member.offset);
    end = member.offset + member.size_bytes;
  }
  return 0;
}
