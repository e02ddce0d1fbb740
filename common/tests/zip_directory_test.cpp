// The directory of ZIP archives that are written here byte by byte, whole and broken.
#include <doctest/doctest.h>

#include "common/limits.h"
#include "common/tests/zip_writer.h"
#include "common/zip_directory.h"

namespace mrun {
namespace {

using test::ZipWriter;

// Reads `bytes`, and notes how often and how much.
struct Reads {
  explicit Reads(std::string_view archive) : bytes(archive) {}
  Result<ZipDirectory> directory() {
    return ZipDirectory::read(bytes.size(),
                              [this](std::uint64_t offset, std::uint64_t length) -> Result<std::string> {
                                REQUIRE(offset <= bytes.size());
                                REQUIRE(length <= bytes.size() - offset);
                                ++count;
                                total += length;
                                return std::string(bytes.substr(offset, length));
                              });
  }
  std::string_view bytes;
  std::size_t count = 0;
  std::uint64_t total = 0;
};

Result<ZipDirectory> directory_of(std::string_view bytes) {
  return Reads(bytes).directory();
}

std::string_view data_of(std::string_view bytes, const ZipMember& member) {
  REQUIRE(member.offset <= bytes.size());
  REQUIRE(member.size_bytes <= bytes.size() - member.offset);
  return bytes.substr(member.offset, member.size_bytes);
}

void refuses(const std::string& bytes, const std::string& words) {
  const Result<ZipDirectory> directory = directory_of(bytes);
  REQUIRE(!directory);
  CHECK(directory.error().code == ErrorCode::load_failed);
  CHECK_MESSAGE(directory.error().message.find(words) != std::string::npos, directory.error().message);
}

TEST_CASE("members are found where they are, in ZIP and ZIP64") {
  for (const bool zip64 : {false, true}) {
    ZipWriter writer;
    writer.zip64 = zip64;
    writer.add("a/x", "hello");
    writer.add("a/empty", "");
    writer.add("a/squeezed", "zzz").method = 8;
    writer.members.back().size = 30;
    const std::string bytes = writer.finish();
    const Result<ZipDirectory> directory = directory_of(bytes);
    REQUIRE(directory);
    CHECK(directory->members().size() == 3);
    REQUIRE(directory->find("a/x") != nullptr);
    CHECK(data_of(bytes, *directory->find("a/x")) == "hello");
    CHECK(directory->find("a/x")->stored);
    CHECK(directory->find("a/empty")->size_bytes == 0);
    CHECK(directory->find("a/empty")->local_offset == writer.members[1].offset);
    CHECK_FALSE(directory->find("a/squeezed")->stored);
    CHECK(data_of(bytes, *directory->find("a/squeezed")) == "zzz");
    CHECK(directory->find("a/none") == nullptr);
    CHECK(directory->find("a") == nullptr);
    const ZipDirectory copy = *directory; // owns its names
    CHECK(copy.find("a/x") == &copy.members()[0]);
  }
}

TEST_CASE("an archive that lies is refused") {
  const auto with = [](auto bend) {
    ZipWriter writer;
    writer.add("one", "first");
    writer.add("two", "second");
    bend(writer);
    return writer.finish();
  };
  refuses(with([](ZipWriter& w) { w.members[0].stored_size = w.members[0].size = 1000; }), "lies outside");
  refuses(with([](ZipWriter& w) { w.members[0].stored_size = w.members[0].size = 20; }), "overlap");
  refuses(with([](ZipWriter& w) { w.members[0].size = 4; }), "is stored with");
  refuses(with([](ZipWriter& w) { w.members[1].offset = 3; }), "is not at offset");
  refuses(with([](ZipWriter& w) { w.members[1].offset = 0xFFFFFF; }), "is not at offset");
  refuses(with([](ZipWriter& w) { w.members[1].offset = w.members[0].offset; }), "another name");
  refuses(with([](ZipWriter& w) { w.members.push_back(w.members[0]); }), "overlap");
  refuses(with([](ZipWriter& w) { w.add("one", "again"); }), "there twice");
  refuses(with([](ZipWriter& w) { w.members[0].flags = 1; }), "encrypted");
  refuses(with([](ZipWriter& w) { w.add("three", "x", "drei!"); }), "another name");
  refuses(with([](ZipWriter& w) { w.members[0].name = ""; }), "name is empty");
  refuses(with([](ZipWriter& w) {
            w.zip64 = true;
            w.members[0].offset = std::uint64_t(1) << 63;
          }),
          "is not at offset");
  refuses("", "not a ZIP archive");
}

TEST_CASE("an archive cut anywhere, or with any byte changed, does no harm") {
  ZipWriter writer;
  writer.zip64 = true;
  writer.add("model/models/model.json", "{}");
  writer.add("model/data/weights/weight_0", std::string(64, 'w'));
  const std::string whole = writer.finish();
  for (std::size_t length = 0; length < whole.size(); ++length)
    CHECK(!directory_of(std::string_view(whole).substr(0, length)));
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const char value : {'\x00', '\x01', '\x7f', '\xff'}) {
      std::string bent = whole;
      bent[i] = value;
      if (const Result<ZipDirectory> directory = directory_of(bent))
        for (const ZipMember& member : directory->members())
          data_of(bent, member); // inside of the file
    }
}

TEST_CASE("few bytes are read, however large the members are") {
  ZipWriter writer;
  for (int i = 0; i < 100; ++i)
    writer.add("weights/" + std::to_string(i), std::string(10'000, 'w'));
  const std::string bytes = writer.finish();
  Reads reads(bytes);
  REQUIRE(reads.directory());
  CHECK(reads.count == 102); // the end record, the directory, the local headers
  CHECK(reads.total < 20'000);
}

TEST_CASE("a comment behind the archive hides nothing") {
  ZipWriter writer;
  writer.add("a", "hello");
  std::string bytes = writer.finish();
  bytes[bytes.size() - 2] = 100; // bytes of comment
  bytes += std::string(100, 'c');
  REQUIRE(directory_of(bytes));
  CHECK(data_of(bytes, directory_of(bytes)->members()[0]) == "hello");
  refuses(bytes + "x", "not a ZIP");
}

TEST_CASE("counts and sizes beyond the limits are refused before anything of that size is read") {
  ZipWriter writer;
  writer.zip64 = true;
  writer.add("a", "hello");
  const std::string whole = writer.finish();
  const std::size_t end64 = whole.size() - 22 - 20 - 56;
  const auto with = [&](std::size_t offset, std::uint64_t value) {
    std::string bent = whole;
    bent.replace(end64 + offset, 8, reinterpret_cast<const char*>(&value), 8);
    return bent;
  };
  refuses(with(32, k_max_zip_members + 1), "at most 200000 are allowed");
  refuses(with(32, UINT64_MAX), "at most 200000 are allowed");
  refuses(with(32, k_max_zip_members), "ends early");
  refuses(with(40, UINT64_MAX), "outside of the file");
  refuses(with(48, UINT64_MAX), "outside of the file");
  // A file that is all directory, larger than the limit; only its end is there to be read.
  std::string end = whole.substr(end64);
  const std::uint64_t file_bytes = 100 * k_mib + end.size(), at = 100 * k_mib, size = 65 * k_mib;
  end.replace(40, 8, reinterpret_cast<const char*>(&size), 8);
  end.replace(56 + 8, 8, reinterpret_cast<const char*>(&at), 8);
  const auto directory = ZipDirectory::read(file_bytes, [&](std::uint64_t offset, std::uint64_t length) {
    REQUIRE(offset >= at);
    return Result<std::string>(end.substr(offset - at, length));
  });
  REQUIRE(!directory);
  CHECK_MESSAGE(directory.error().message.find("its directory has") != std::string::npos,
                directory.error().message);
}

TEST_CASE("a read that fails, or comes short, is an error") {
  ZipWriter writer;
  writer.add("a", "hello");
  const std::string bytes = writer.finish();
  for (int fail_at = 0; fail_at < 3; ++fail_at)
    for (const bool short_read : {false, true}) {
      int calls = 0;
      const auto directory = ZipDirectory::read(
          bytes.size(), [&](std::uint64_t offset, std::uint64_t length) -> Result<std::string> {
            if (calls++ == fail_at && !short_read) return fail(ErrorCode::io, "the disk is gone");
            return bytes.substr(offset, short_read && calls > fail_at ? length - 1 : length);
          });
      REQUIRE(!directory);
      CHECK(directory.error().code == (short_read ? ErrorCode::load_failed : ErrorCode::io));
    }
}

} // namespace
} // namespace mrun
