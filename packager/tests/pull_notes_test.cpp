// What an interrupted pull leaves in the store: notes, files with gaps, and what takes a blob's place.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packager/pull_notes.h"
#include "packager/tests/support_store.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

constexpr std::uint64_t k_range = 1 * k_mib;

struct Pulling {
  Pulling() { clock.set_wall_ns(system_clock().wall_ns()); } // files have the real time
  void pass(std::chrono::hours time) { clock.advance_ns(std::chrono::nanoseconds(time).count()); }

  Folder folder;
  ManualClock clock;
  Store store = Store::open(folder.path / "store", false, real_file_system(), clock).value();
  std::unique_ptr<Store::Writer> writer = store.begin_write().value();
};

BundleFile file_of(const std::string& path, const BlobClaim& blob, unsigned mode = 0644) {
  return {SafePath::parse(path).value(), mode, blob.size, {{blob.digest, 0, blob.size}}};
}

} // namespace

TEST_CASE("what a pull noted is kept from gc for a day, or until the note goes") {
  Pulling pulling;
  const BlobClaim blob{put_blob(pulling.folder, "a piece"), 7};
  const BlobClaim absent{Sha256::of("to come"), 7};
  const Digest manifest = Sha256::of("manifest");
  REQUIRE(note_pull(*pulling.writer, manifest, {blob, absent}));
  pulling.writer.reset();
  CHECK(pulling.store.collect_garbage().value().blobs.empty());
  CHECK(pulling.store.plan_gc(GcReach::all).value().blobs == std::vector<Digest>{blob.digest});
  pulling.pass(std::chrono::hours(23));
  CHECK(pulling.store.collect_garbage().value().blobs.empty());
  pulling.pass(std::chrono::hours(2));
  const GcPlan late = pulling.store.collect_garbage().value();
  CHECK(late.blobs == std::vector<Digest>{blob.digest});
  CHECK(late.leftovers == 1);

  pulling.clock.set_wall_ns(system_clock().wall_ns());
  put_blob(pulling.folder, "a piece");
  pulling.writer = pulling.store.begin_write().value();
  REQUIRE(note_pull(*pulling.writer, manifest, {blob}));
  drop_note(*pulling.writer, manifest);
  drop_note(*pulling.writer, manifest); // twice is no error
  pulling.writer.reset();
  CHECK(pulling.store.collect_garbage().value().blobs == std::vector<Digest>{blob.digest});
}

TEST_CASE("the files of an unpacked archive are found as long as the store has them all") {
  Pulling pulling;
  const Digest archive = Sha256::of("archive");
  const BlobClaim one{put_blob(pulling.folder, "one"), 3}, two{put_blob(pulling.folder, "two!"), 4};
  CHECK_FALSE(find_unpacked(pulling.store, archive));
  REQUIRE(note_unpacked(*pulling.writer, archive, {file_of("bin/run", one, 0755), file_of("two", two)}));
  const auto found = find_unpacked(pulling.store, archive);
  REQUIRE(found);
  REQUIRE(found->size() == 2);
  CHECK(found->at(0).path.text() == "bin/run");
  CHECK(found->at(0).mode == 0755);
  CHECK(found->at(1).size == 4);
  CHECK(found->at(1).segments == std::vector<Segment>{{two.digest, 0, 4}});
  std::filesystem::remove(pulling.folder.path / ("store/blobs/sha256/" + two.digest.hex()));
  CHECK_FALSE(find_unpacked(pulling.store, archive));
}

TEST_CASE("noise in place of a note names nothing") {
  Pulling pulling;
  const Digest archive = Sha256::of("archive");
  const std::string hex = put_blob(pulling.folder, "one").hex();
  for (const std::string& text : std::vector<std::string>{
           "", "{", "[]", R"({"schema":"x","blobs":[]})", R"({"schema":"mrun.pull-note/v1"})",
           R"({"schema":"mrun.pull-note/v1","blobs":[["../../x",3,420,"a"]]})",
           R"({"schema":"mrun.pull-note/v1","blobs":[[")" + hex + R"(",3,420,"../a"]]})",
           R"({"schema":"mrun.pull-note/v1","blobs":[[")" + hex + R"(",4,420,"a"]]})",
           R"({"schema":"mrun.pull-note/v1","blobs":[[")" + hex + R"(",-1,420,"a"]]})"}) {
    pulling.folder.write("store/tmp/kept-" + archive.hex(), text);
    CHECK_FALSE_MESSAGE(find_unpacked(pulling.store, archive), text);
    CHECK_MESSAGE(noted_blobs(text).size() == (text.find(hex) == std::string::npos ? 0 : 1), text);
  }
}

TEST_CASE("a blob that came in ranges is gone on with in each of them") {
  Pulling pulling;
  const std::string content =
      std::string(k_range, 'a') + std::string(k_range, 'b') + std::string(k_range, 'c');
  const Digest digest = Sha256::of(content);
  const std::string partial = "store/tmp/pull-" + digest.hex();
  { // the first range stopped in its middle, the second has nothing, the third is whole
    pulling.folder.write(partial, content.substr(0, k_range / 2));
    const UniqueFd fd(::open((pulling.folder.path / partial).c_str(), O_WRONLY | O_CLOEXEC));
    REQUIRE(::pwrite(fd.get(), content.data() + 2 * k_range, k_range, 2 * k_range) == k_range);
  }
  const std::uint64_t there = pulling.store.partial_bytes(digest, content.size());
  CHECK(there == k_range / 2 - 64 * k_kib + k_range); // the block before a gap may have been begun only
  auto incoming = pulling.writer->resume_blob(digest, content.size(), Store::Writer::Gaps::keep).value();
  REQUIRE(incoming);
  CHECK(incoming->size() == k_range / 2 - 64 * k_kib);
  REQUIRE(incoming->parts().size() == 2);
  CHECK(incoming->parts()[1].begin == 2 * k_range);
  CHECK(incoming->parts()[1].end == 3 * k_range);
  const std::uint64_t from = incoming->size();
  CHECK(incoming->part(from).value().write(std::string_view(content).substr(from, 2 * k_range - from)));
  CHECK(incoming->extend(content.size()));
  CHECK(incoming->finish(digest).value().digest == digest);
  CHECK(pulling.store.read_blob(digest, content.size()).value() == content);

  // One that comes in one stream has no use for what lies behind a gap.
  pulling.folder.write(partial, content.substr(0, k_range));
  REQUIRE(::truncate((pulling.folder.path / partial).c_str(), 3 * k_range) == 0);
  const auto plain = pulling.writer->resume_blob(digest, content.size()).value();
  REQUIRE(plain);
  CHECK(plain->size() == k_range - 64 * k_kib);
  CHECK(std::filesystem::file_size(pulling.folder.path / partial) == plain->size());
}

TEST_CASE("what was just verified takes the place of a damaged blob") {
  Pulling pulling;
  const std::string content(3 * k_mib, 'x');
  const Digest digest = Sha256::of(content);
  std::string damaged = content;
  damaged[2 * k_mib] = 'y';
  pulling.folder.write("store/blobs/sha256/" + digest.hex(), damaged);
  Store::Writer::Incoming incoming = pulling.writer->begin_blob().value();
  REQUIRE(incoming.write(content));
  CHECK_FALSE(incoming.finish(digest).value().is_new);
  CHECK(pulling.store.read_blob(digest, content.size()).value() == content);
}
