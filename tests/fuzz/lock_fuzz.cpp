// mrun.lock: what is taken is written and read again without a change.
#include "packager/lock_file.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto lock = parse_lock(fuzz::text_of(data, size), "mrun.lock");
  if (!lock) {
    fuzz::check_error(lock.error());
    return 0;
  }
  const std::string text = encode_lock(*lock);
  const auto again = parse_lock(text, "mrun.lock");
  MRUN_CHECK(again.has_value() && encode_lock(*again) == text && models_json(*again) == models_json(*lock));
  for (const auto& [name, entry] : lock->models) {
    const auto reference = Reference::parse(name);
    MRUN_CHECK(reference.has_value() && lock->find(*reference) == &entry);
  }
  return 0;
}
