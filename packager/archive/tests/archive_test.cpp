// Archives from strangers: what is taken, what is refused, and that a small one can't become large.
#include <doctest/doctest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

#include "packager/archive/archive_reader.h"

using namespace mrun;

namespace {

struct Member {
  std::string name;
  std::string content = {};
  unsigned type = AE_IFREG;
  std::string link = {};
  bool sparse = false;
};

std::string make_archive(const std::vector<Member>& members, ArchiveCompression compression) {
  std::string out;
  std::unique_ptr<archive, int (*)(archive*)> writer(::archive_write_new(), &::archive_write_free);
  ::archive_write_set_format_pax(writer.get());
  ::archive_write_set_bytes_in_last_block(writer.get(), 1); // no padding behind what is compressed
  if (compression == ArchiveCompression::gzip) ::archive_write_add_filter_gzip(writer.get());
  if (compression == ArchiveCompression::zstd) ::archive_write_add_filter_zstd(writer.get());
  const auto append = [](archive*, void* to, const void* bytes, std::size_t size) -> la_ssize_t {
    static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
    return static_cast<la_ssize_t>(size);
  };
  REQUIRE(::archive_write_open(writer.get(), &out, nullptr, append, nullptr) == ARCHIVE_OK);
  for (const Member& member : members) {
    std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(::archive_entry_new(),
                                                                   &::archive_entry_free);
    ::archive_entry_set_pathname(entry.get(), member.name.c_str());
    ::archive_entry_set_filetype(entry.get(), member.type);
    ::archive_entry_set_perm(entry.get(), 0755);
    ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(member.content.size()));
    if (member.type == AE_IFLNK) ::archive_entry_set_symlink(entry.get(), member.link.c_str());
    if (member.type == AE_IFREG && !member.link.empty())
      ::archive_entry_set_hardlink(entry.get(), member.link.c_str());
    if (member.sparse) {
      ::archive_entry_set_size(entry.get(), 1LL << 40);
      ::archive_entry_sparse_add_entry(entry.get(), 0, static_cast<la_int64_t>(member.content.size()));
    }
    REQUIRE(::archive_write_header(writer.get(), entry.get()) >= ARCHIVE_WARN); // a name that is not ASCII
    ::archive_write_data(writer.get(), member.content.data(), member.content.size());
  }
  ::archive_write_close(writer.get());
  return out;
}

// In pieces, so that nothing depends on where they end.
ArchiveSource in_pieces(const std::string& bytes, std::size_t piece = 700) {
  return [&bytes, piece, at = std::size_t{0}]() mutable -> Result<std::string_view> {
    const std::string_view next = std::string_view(bytes).substr(at, piece);
    at += next.size();
    return next;
  };
}

using Files = std::vector<std::pair<std::string, std::string>>;

Result<Files> read_files(const std::string& bytes, ArchiveCompression compression,
                         const ArchiveLimits& limits = {}) {
  MRUN_ASSIGN(ArchiveReader reader, ArchiveReader::open(in_pieces(bytes), compression, limits));
  Files files;
  while (true) {
    MRUN_ASSIGN(const std::optional<ArchiveEntry> entry, reader.next());
    if (!entry) return files;
    files.emplace_back(entry->path.text(), "");
    while (true) {
      MRUN_ASSIGN(const std::string_view more, reader.read());
      if (more.empty()) break;
      files.back().second += more;
    }
    CHECK(files.back().second.size() == entry->size_bytes);
  }
}

// The message of the error that this archive gives.
std::string refusal(const std::vector<Member>& members,
                    ArchiveCompression compression = ArchiveCompression::none,
                    const ArchiveLimits& limits = {}) {
  const Result<Files> files = read_files(make_archive(members, compression), compression, limits);
  return files ? "" : files.error().message;
}

} // namespace

TEST_CASE("archive: files come whole through every compression, folders are passed over") {
  const std::string large(3'000'000, 'x');
  for (const ArchiveCompression compression :
       {ArchiveCompression::none, ArchiveCompression::gzip, ArchiveCompression::zstd}) {
    ArchiveLimits limits;
    limits.max_ratio = 100'000;
    const std::string bytes = make_archive({{"./", "", AE_IFDIR},
                                            {"./sub", "", AE_IFDIR},
                                            {"./sub/a.txt", "one"},
                                            {"empty"},
                                            {"big.bin", large},
                                            {"sch\xc3\xb6n.txt", "x"}},
                                           compression);
    const Result<Files> read = read_files(bytes, compression, limits);
    INFO((read ? std::string() : read.error().message));
    REQUIRE(read);
    const Files& files = *read;
    REQUIRE(files.size() == 4);
    CHECK(files[0] == std::pair<std::string, std::string>("sub/a.txt", "one"));
    CHECK(files[1] == std::pair<std::string, std::string>("empty", ""));
    CHECK(files[2].second == large);
    CHECK(files[3].first == "sch\xc3\xb6n.txt");
  }
}

TEST_CASE("archive: what is not read of a file is passed over") {
  const std::string bytes =
      make_archive({{"a", std::string(100'000, 'a')}, {"b", "bee"}}, ArchiveCompression::gzip);
  ArchiveReader reader = ArchiveReader::open(in_pieces(bytes), ArchiveCompression::gzip).value();
  CHECK(reader.next().value()->path.text() == "a");
  CHECK(reader.read().value().size() > 0);
  CHECK(reader.next().value()->path.text() == "b");
  CHECK(reader.read().value() == "bee");
  CHECK(reader.read().value().empty());
  CHECK_FALSE(reader.next().value());
}

TEST_CASE("archive: names that leave the folder, and what is neither file nor folder, are refused") {
  for (const char* name : {"../evil", "/etc/passwd", "a/../../b", "a\\b", "c:/x", "a/./b", "x "})
    CHECK_MESSAGE(!refusal({{name, "x"}}).empty(), name);
  CHECK(refusal({{"../up", "", AE_IFDIR}}) != "");
  CHECK(refusal({{"link", "", AE_IFLNK, "/etc"}}).find("a symbolic link") != std::string::npos);
  CHECK(refusal({{"a", "x"}, {"b", "", AE_IFREG, "a"}}).find("a hard link") != std::string::npos);
  CHECK(refusal({{"pipe", "", AE_IFIFO}}).find("a pipe") != std::string::npos);
  CHECK(refusal({{"tty", "", AE_IFCHR}}).find("a device") != std::string::npos);
  CHECK(refusal({{"hole", "x", AE_IFREG, "", true}}).find("a sparse file") != std::string::npos);
}

TEST_CASE("archive: a map of holes that contradicts the size is an error") {
  // PAX headers of GNU's sparse format 0.1: libarchive drops a map of one stretch that covers the size.
  const auto pax = [](const std::string& key, const std::string& value) {
    std::string record = " " + key + "=" + value + "\n";
    std::size_t size = record.size() + 2;
    while (std::to_string(size).size() + record.size() != size)
      ++size;
    return std::to_string(size) + record;
  };
  const auto header = [](const std::string& name, std::size_t size, char type) {
    std::string block(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) { block.replace(at, text.size(), text); };
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    char octal[16];
    std::snprintf(octal, sizeof octal, "%011zo", size);
    put(124, octal);
    put(136, "00000000000");
    put(148, "        ");
    block[156] = type;
    put(257, std::string("ustar\0"
                         "00",
                         8));
    unsigned sum = 0;
    for (const char c : block)
      sum += static_cast<unsigned char>(c);
    std::snprintf(octal, sizeof octal, "%06o", sum);
    put(148, std::string(octal) + '\0');
    return block;
  };
  for (const char* map : {"0,1000", "0,5", "3,2", "0,1000000000000"})
    for (const char* size : {"5", "100", "4000"}) {
      std::string records = pax("GNU.sparse.major", "0") + pax("GNU.sparse.size", size) +
                            pax("GNU.sparse.numblocks", "1") + pax("GNU.sparse.map", map);
      std::string bytes = header("PaxHeader", records.size(), 'x') + records;
      bytes.resize((bytes.size() + 511) / 512 * 512);
      bytes += header("file", 1000, '0') + std::string(1024, 'd') + std::string(1024, '\0');
      const Result<Files> files = read_files(bytes, ArchiveCompression::none);
      if (files)
        CHECK(files->size() == 1); // then its content has the size that was said: read_files() checks
    }
}

TEST_CASE("archive: bombs are refused before they unfold") {
  ArchiveLimits limits;
  limits.max_bytes = 1000;
  CHECK(
      refusal({{"a", std::string(600, 'a')}, {"b", std::string(600, 'b')}}, ArchiveCompression::none, limits)
          .find("more than") != std::string::npos);
  limits = {};
  limits.max_entries = 2;
  CHECK(refusal({{"a"}, {"b"}, {"c"}}, ArchiveCompression::none, limits).find("entries") !=
        std::string::npos);
  for (const ArchiveCompression compression : {ArchiveCompression::gzip, ArchiveCompression::zstd}) {
    const std::vector<Member> zeros = {{"zeros", std::string(64 * k_mib, '\0')}};
    CHECK(refusal(zeros, compression).find("times its size") != std::string::npos);
    // a file that nobody reads is no way around it
    const std::string bytes = make_archive(zeros, compression);
    ArchiveReader reader = ArchiveReader::open(in_pieces(bytes), compression).value();
    CHECK(reader.next());
    const auto passed_over = reader.next();
    REQUIRE_FALSE(passed_over);
    CHECK(passed_over.error().message.find("times its size") != std::string::npos);
  }
}

TEST_CASE("archive: of zstd, windows up to 128 MiB are taken; what asks for more memory is refused") {
  const std::string tar = make_archive({{"a.txt", "one"}}, ArchiveCompression::none);
  REQUIRE(tar.size() < 100'000);
  // A frame of one raw block (RFC 8878, 3.1.1): magic number, descriptor, window descriptor, block header.
  const auto frame = [&](unsigned window_log) {
    std::string bytes = {'\x28', '\xb5', '\x2f', '\xfd', '\0', static_cast<char>((window_log - 10) << 3)};
    const std::size_t header = tar.size() << 3 | 1; // raw, the last
    for (unsigned i = 0; i < 3; ++i)
      bytes += static_cast<char>(header >> (8 * i));
    return bytes + tar;
  };
  const Result<Files> small = read_files(frame(20), ArchiveCompression::zstd);
  REQUIRE(small);
  CHECK(small->at(0).second == "one");
  CHECK(read_files(frame(27), ArchiveCompression::zstd));
  for (const unsigned window_log : {28U, 31U, 40U}) {
    const Result<Files> large = read_files(frame(window_log), ArchiveCompression::zstd);
    REQUIRE_FALSE(large);
    CHECK(large.error().code == ErrorCode::bundle_invalid);
    CHECK(large.error().message.find("of memory") != std::string::npos);
  }
}

TEST_CASE("archive: libarchive's other formats and filters are not there to be reached") {
  // Formats that libarchive knows and a tar reader does not.
  for (const std::string& magic :
       {std::string("!<arch>\n"), std::string("070701"), std::string("7z\xbc\xaf\x27\x1c"),
        std::string("Rar!\x1a\x07"), std::string("MSCF"), std::string("PK\x03\x04")})
    CHECK_FALSE(read_files(magic + std::string(4000, '\1'), ArchiveCompression::none));
  // A filter inside the declared one, and one that was never declared.
  const std::string tar = make_archive({{"a", "x"}}, ArchiveCompression::none);
  for (const std::string& magic : {std::string("BZh9"),
                                   std::string("\xfd"
                                               "7zXZ\0",
                                               6),
                                   std::string("\x1f\x9d"), std::string("LZIP")})
    for (const ArchiveCompression compression :
         {ArchiveCompression::none, ArchiveCompression::gzip, ArchiveCompression::zstd})
      CHECK_FALSE(read_files(magic + tar, compression));
}

TEST_CASE("archive: a zstd window that takes too much memory is named") {
  const auto problem = [](const std::string& head) {
    const auto opened = ArchiveReader::open(
        [head]() -> Result<std::string_view> { return std::string_view(head); }, ArchiveCompression::zstd);
    REQUIRE_FALSE(opened);
    return opened.error().message;
  };
  const std::string magic = "\x28\xb5\x2f\xfd", rest(20, '\0');
  const auto window = [&](unsigned log) { // of 2^log bytes
    return magic + '\0' + static_cast<char>((log - 10) << 3) + rest;
  };
  CHECK(problem(window(31)).find("2.0 GiB of memory") != std::string::npos);
  CHECK(problem(window(28)).find("256.0 MiB of memory") != std::string::npos);
  CHECK(problem(window(27)).find("of memory") == std::string::npos); // damaged, and no more than that
  // A single segment of 300 MiB, as `zstd --long=31` makes of a file.
  const std::string segment = magic + '\xa0' + std::string("\x00\x00\xc0\x12", 4) + rest;
  CHECK(problem(segment).find("300.0 MiB of memory") != std::string::npos);
}

TEST_CASE("archive: damage and other formats are an error, never a crash") {
  const std::string good =
      make_archive({{"a", std::string(5000, 'a')}, {"b", "b"}}, ArchiveCompression::none);
  CHECK_FALSE(read_files("PK\x03\x04 is no tar, and neither is what follows" + std::string(2000, 'x'),
                         ArchiveCompression::none));
  CHECK_FALSE(read_files(good.substr(0, 2000), ArchiveCompression::none));
  CHECK_FALSE(read_files(good, ArchiveCompression::gzip));
  std::string noise;
  for (std::uint32_t seed = 1; noise.size() < 50'000; seed = seed * 1664525 + 1013904223)
    noise += static_cast<char>(seed >> 24);
  const std::string zipped = make_archive({{"a", noise}}, ArchiveCompression::gzip);
  CHECK_FALSE(read_files(zipped, ArchiveCompression::none)); // what was declared, nothing guessed
  CHECK_FALSE(read_files(zipped.substr(0, zipped.size() / 2), ArchiveCompression::gzip));
  for (std::size_t at = 0; at < 1024; at += 3) {
    std::string spoilt = good;
    spoilt[at] = static_cast<char>(spoilt[at] ^ 0x55);
    (void)read_files(spoilt, ArchiveCompression::none); // any answer is right, as long as there is one
  }
}

TEST_CASE("archive: the source's own error is what the caller gets") {
  const auto source = []() -> Result<std::string_view> {
    return fail(ErrorCode::interrupted_by_user, "stop");
  };
  const auto reader = ArchiveReader::open(source, ArchiveCompression::none);
  REQUIRE_FALSE(reader);
  CHECK(reader.error().code == ErrorCode::interrupted_by_user);
}
