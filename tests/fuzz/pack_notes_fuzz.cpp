// The notes of the last pack: whatever the file holds, a note is of this file and makes up all of it.
#include <fcntl.h>
#include <fmt/format.h>

#include "packager/pack_cache.h"
#include "packager/tests/support.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

struct Notes {
  testing::Folder folder;
  UniqueFd model{::open(folder.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  std::string name;

  Notes() {
    struct stat status {};
    MRUN_CHECK(::fstat(model.get(), &status) == 0);
    name = fmt::format("notes/{}-{}.json", status.st_dev, status.st_ino);
  }
};

// The file that the seeds speak of.
struct stat noted_file() {
  struct stat status {};
  status.st_dev = 1;
  status.st_ino = 2;
  status.st_size = 8;
  status.st_mtim = {0, 3};
  status.st_ctim = {0, 4};
  return status;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Notes notes;
  notes.folder.write(notes.name, fuzz::text_of(data, size));
  const PackCache cache(notes.folder.path / "notes", notes.model.get());
  const auto note = cache.find("model.bin", noted_file(), 0);
  if (!note) return 0;
  std::uint64_t sum = 0;
  for (const Segment& segment : note->segments)
    MRUN_CHECK(!__builtin_add_overflow(sum, segment.length, &sum));
  MRUN_CHECK(sum == 8);
  return 0;
}
