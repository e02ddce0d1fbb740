#include "packager/bundle_file_reader.h"

#include <doctest/doctest.h>

#include "packager/tests/support_store.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

// "cdefg" + "" + "XY" + "abc", of three blobs.
struct CutFile {
  Folder folder;
  Store store = Store::open(folder.path / "store").value();
  Digest letters = put_blob(folder, "abcdefgh");
  Digest capitals = put_blob(folder, "XY");
  BundleFile file{SafePath::parse("model.bin").value(),
                  0644,
                  10,
                  {{letters, 2, 5}, {letters, 8, 0}, {capitals, 0, 2}, {letters, 0, 3}}};
  BundleFileReader reader{store, file};
};

} // namespace

TEST_CASE("a cut file reads as one, at any place") {
  CutFile cut;
  const std::string whole = "cdefgXYabc";
  for (std::uint64_t offset = 0; offset <= whole.size(); ++offset)
    for (std::uint64_t length = 0; length <= whole.size() - offset; ++length)
      CHECK(cut.reader.read(offset, length).value() == whole.substr(offset, length));
  CHECK(cut.reader.read_at()(4, 4).value() == "gXYa");
  CHECK(hash_bundle_file(cut.store, cut.file).value() == Sha256::of(whole));
}

TEST_CASE("a stretch lies in parts of segments, and nothing outside of the file is one") {
  CutFile cut;
  const std::vector<Segment> parts = cut.reader.segments(4, 4).value();
  REQUIRE(parts.size() == 3);
  CHECK((parts[0].blob == cut.letters && parts[0].offset == 6 && parts[0].length == 1));
  CHECK((parts[1].blob == cut.capitals && parts[1].offset == 0 && parts[1].length == 2));
  CHECK((parts[2].blob == cut.letters && parts[2].offset == 0 && parts[2].length == 1));
  CHECK(cut.reader.segments(10, 0).value().empty());
  for (const auto& [offset, length] :
       {std::pair<std::uint64_t, std::uint64_t>{11, 0}, {10, 1}, {1, UINT64_MAX}, {UINT64_MAX, 2}})
    CHECK(cut.reader.read(offset, length).error().code == ErrorCode::store_corrupt);
}

TEST_CASE("a whole file's digest is its blob's, without reading") {
  Folder folder;
  const Store store = Store::open(folder.path / "store").value();
  const Digest blob = put_blob(folder, "content");
  const BundleFile file{SafePath::parse("a").value(), 0644, 7, {{blob, 0, 7}}};
  std::size_t calls = 0;
  CHECK(hash_bundle_file(store, file, [&](std::uint64_t) { ++calls; }).value() == blob);
  CHECK(calls == 0);
  const BundleFile part{SafePath::parse("a").value(), 0644, 4, {{blob, 0, 4}}};
  CHECK(hash_bundle_file(store, part, [&](std::uint64_t) { ++calls; }).value() == Sha256::of("cont"));
  CHECK(calls == 1);
}

TEST_CASE("a blob that is missing or has become shorter is damage") {
  CutFile cut;
  cut.folder.write("store/blobs/sha256/" + cut.letters.hex(), "abcd");
  const Error shorter = cut.reader.read(0, 10).error();
  CHECK(shorter.code == ErrorCode::store_corrupt);
  CHECK(shorter.message.find("ends 3 bytes too early") != std::string::npos);
  std::filesystem::remove(cut.folder.path / "store/blobs/sha256" / cut.letters.hex());
  BundleFileReader fresh(cut.store, cut.file);
  const Error missing = fresh.read(0, 10).error();
  CHECK(missing.code == ErrorCode::store_corrupt);
  CHECK(missing.message.find("is missing") != std::string::npos);
}
