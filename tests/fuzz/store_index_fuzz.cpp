// index.json of a store, which other tools may have written: reading it and writing it loses nothing more the
// second time.
#include "packager/reference.h"
#include "packager/store_index.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto index = StoreIndex::parse(fuzz::text_of(data, size));
  if (!index) {
    fuzz::check_error(index.error());
    return 0;
  }
  const std::string text = index->encode();
  auto again = StoreIndex::parse(text);
  MRUN_CHECK(again.has_value() && again->encode() == text);
  for (const IndexEntry& entry : index->entries) {
    MRUN_CHECK(index->contains(entry.digest) && again->contains(entry.digest));
    if (entry.tag.empty()) continue;
    MRUN_CHECK(Reference::parse(entry.model + ":" + entry.tag).has_value());
    MRUN_CHECK(again->find_tag(entry.model, entry.tag) != nullptr);
    again->put(entry);
    MRUN_CHECK(again->find_tag(entry.model, entry.tag)->digest == entry.digest);
  }
  return 0;
}
