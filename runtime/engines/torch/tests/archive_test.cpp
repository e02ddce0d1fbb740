// The archive reader on archives written here byte by byte, whole and broken.
#include <cstring>

#include <doctest/doctest.h>

#include "runtime/engines/torch/archive.h"
#include "runtime/engines/torch/model.h"

namespace mrun::torch_engine {
namespace {

template<class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Writes ZIP archives of stored members; every field of interest can be bent before finish().
struct ZipWriter {
  struct Member {
    std::string name, bytes;
    std::uint64_t offset = 0;
    std::uint16_t method = 0;
    std::uint16_t flags = 0;
    std::uint64_t size = 0;        // as the directory says
    std::uint64_t stored_size = 0; // as the directory says
  };
  std::string out;
  std::vector<Member> members;
  bool zip64 = false;

  Member& add(const std::string& name, const std::string& bytes, const std::string& local_name = {}) {
    members.push_back({name, bytes, out.size(), 0, 0, bytes.size(), bytes.size()});
    const std::string& local = local_name.empty() ? name : local_name;
    put<std::uint32_t>(out, 0x04034b50);
    out.append(22, '\0');
    put(out, static_cast<std::uint16_t>(local.size()));
    put<std::uint16_t>(out, 7); // an extra field, as PyTorch's padding
    out += local + std::string(7, 'p') + bytes;
    return members.back();
  }

  void directory_entry(const Member& member) {
    put<std::uint32_t>(out, 0x02014b50);
    out.append(4, '\0');
    put(out, member.flags);
    put(out, member.method);
    out.append(8, '\0');
    put(out, zip64 ? 0xFFFFFFFF : static_cast<std::uint32_t>(member.stored_size));
    put(out, zip64 ? 0xFFFFFFFF : static_cast<std::uint32_t>(member.size));
    put(out, static_cast<std::uint16_t>(member.name.size()));
    put<std::uint16_t>(out, zip64 ? 28 : 0);
    out.append(10, '\0');
    put(out, zip64 ? 0xFFFFFFFF : static_cast<std::uint32_t>(member.offset));
    out += member.name;
    if (!zip64) return;
    put<std::uint16_t>(out, 1);
    put<std::uint16_t>(out, 24);
    put(out, member.size);
    put(out, member.stored_size);
    put(out, member.offset);
  }

  std::string finish() {
    const std::uint64_t start = out.size();
    for (const Member& member : members)
      directory_entry(member);
    const std::uint64_t size = out.size() - start;
    if (zip64) {
      const std::uint64_t end64 = out.size();
      put<std::uint32_t>(out, 0x06064b50);
      out.append(28, '\0');
      put<std::uint64_t>(out, members.size());
      put(out, size);
      put(out, start);
      put<std::uint32_t>(out, 0x07064b50);
      put<std::uint32_t>(out, 0);
      put(out, end64);
      put<std::uint32_t>(out, 1);
    }
    put<std::uint32_t>(out, 0x06054b50);
    out.append(4, '\0');
    for (int i = 0; i < 2; ++i)
      put(out, zip64 ? std::uint16_t{0xFFFF} : static_cast<std::uint16_t>(members.size()));
    put(out, zip64 ? 0xFFFFFFFF : static_cast<std::uint32_t>(size));
    put(out, zip64 ? 0xFFFFFFFF : static_cast<std::uint32_t>(start));
    put<std::uint16_t>(out, 0);
    return out;
  }
};

void refuses(const std::string& bytes, const std::string& words) {
  const Result<Archive> archive = Archive::open(bytes);
  REQUIRE(!archive);
  CHECK(archive.error().code == ErrorCode::load_failed);
  CHECK_MESSAGE(archive.error().message.find(words) != std::string::npos, archive.error().message);
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
    const Result<Archive> archive = Archive::open(bytes);
    REQUIRE(archive);
    CHECK(archive->members().size() == 3);
    CHECK(*archive->stored_bytes("a/x") == "hello");
    CHECK(archive->stored_bytes("a/x")->data() >= bytes.data()); // in place
    CHECK(archive->stored_bytes("a/empty")->empty());
    CHECK(!archive->stored_bytes("a/squeezed"));
    CHECK(!archive->stored_bytes("a/none"));
    CHECK(archive->find("a") == nullptr);
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
  refuses("", "not a zip archive");
}

TEST_CASE("an archive cut anywhere, or with any byte changed, does no harm") {
  ZipWriter writer;
  writer.zip64 = true;
  writer.add("model/models/model.json", "{}");
  writer.add("model/data/weights/weight_0", std::string(64, 'w'));
  const std::string whole = writer.finish();
  for (std::size_t length = 0; length < whole.size(); ++length)
    CHECK(!Archive::open(std::string_view(whole).substr(0, length)));
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const char value : {'\x00', '\x01', '\x7f', '\xff'}) {
      std::string bent = whole;
      bent[i] = value;
      if (const Result<Archive> archive = Archive::open(bent))
        for (const ArchiveMember& member : archive->members()) // every view lies inside of the file
          CHECK((member.bytes.empty() ||
                 (member.bytes.data() >= bent.data() &&
                  member.bytes.data() + member.bytes.size() <= bent.data() + bent.size())));
    }
}

TEST_CASE("what a file is, is seen by its members") {
  const auto kind = [](const std::vector<std::string>& names) {
    ZipWriter writer;
    for (const std::string& name : names)
      writer.add(name, "x");
    const std::string bytes = writer.finish();
    return kind_of(*Archive::open(bytes));
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
