// Files without paths: spans, descriptors, and specs that lie.
#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/limits.h"
#include "runtime/file_door.h"

using namespace mrun;

namespace {

// blobs/sha256 with blobs by number; their names are hex as in a store.
struct Blobs {
  Blobs() {
    char pattern[] = "/tmp/mrun-door-XXXXXX";
    path = ::mkdtemp(pattern);
  }
  ~Blobs() { std::filesystem::remove_all(path); }
  static std::string name(int number) { return fmt::format("{:064x}", number); }
  void add(int number, const std::string& bytes) const { std::ofstream(path + "/" + name(number)) << bytes; }
  UniqueFd open() const { return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }
  std::string path;
};

Json segment(int blob, std::uint64_t offset, std::uint64_t length) {
  return Json{{"blob", Blobs::name(blob)}, {"offset", offset}, {"length", length}};
}

Json file(const std::string& path, std::uint64_t size, std::vector<Json> segments) {
  return Json{{"path", path}, {"mode", 420}, {"size", size}, {"segments", segments}};
}

std::string text(const DoorFile& file, std::uint64_t offset, std::uint64_t length) {
  auto view = file.span(offset, length);
  REQUIRE_MESSAGE(view, view.error().message);
  return std::string(*view);
}

std::string contents(const UniqueFd& fd) {
  auto read = read_all(fd.get(), 1 << 20, "a file", ErrorCode::internal);
  REQUIRE(read);
  return *read;
}

// How many mappings of blob `number` this process has, and whether one of them holds all of `view`.
struct BlobMappings {
  BlobMappings(const Blobs& blobs, int number, std::string_view view = {}) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      if (!line.ends_with(blobs.path + "/" + Blobs::name(number))) continue;
      ++count;
      const std::uint64_t begin = std::stoull(line, nullptr, 16);
      const std::uint64_t end = std::stoull(line.substr(line.find('-') + 1), nullptr, 16);
      const auto at = reinterpret_cast<std::uint64_t>(view.data());
      holds = holds || (at >= begin && at + view.size() <= end);
    }
  }
  int count = 0;
  bool holds = false;
};

// Bytes of which no two pages are alike.
std::string pattern(std::size_t size, std::uint64_t seed) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<char>(seed >> 56);
  }
  return bytes;
}

constexpr std::size_t k_piece = 256 * k_kib; // whole pages

// A weight file as it is cut: a header, a tensor of three pieces, a gap, a small tensor, a tail; the header,
// the gap and the tail are one blob (1), the tensors begin their blobs (2 to 5), and in the file they begin
// anywhere.
struct CutWeights {
  CutWeights()
      : glue(pattern(100 + 30 + 50, 1)),
        tensor(pattern(2 * k_piece + 1000, 2)),
        small(pattern(5000, 3)),
        whole(glue.substr(0, 100) + tensor + glue.substr(100, 30) + small + glue.substr(130)) {
    blobs.add(1, glue);
    for (int i = 0; i < 3; ++i)
      blobs.add(2 + i, tensor.substr(static_cast<std::size_t>(i) * k_piece, k_piece));
    blobs.add(5, small);
    auto made =
        FileDoor::make(Json::array({file("x", whole.size(),
                                         {segment(1, 0, 100), segment(2, 0, k_piece), segment(3, 0, k_piece),
                                          segment(4, 0, 1000), segment(1, 100, 30), segment(5, 0, 5000),
                                          segment(1, 130, 50)})}),
                       blobs.open());
    REQUIRE(made);
    door.emplace(std::move(*made));
  }
  const DoorFile& file_x() const { return *door->find("x"); }

  Blobs blobs;
  std::string glue, tensor, small, whole;
  std::optional<FileDoor> door;
};

Error spec_error(const Json& files) {
  const Blobs blobs;
  auto door = FileDoor::make(files, blobs.open());
  REQUIRE_FALSE(door);
  return door.error();
}

} // namespace

TEST_CASE("a file of one blob is mapped, and opened as that blob") {
  const Blobs blobs;
  blobs.add(1, "hello world");
  auto door = FileDoor::make(Json::array({file("a/b.txt", 11, {segment(1, 0, 11)})}), blobs.open());
  REQUIRE(door);
  const DoorFile* found = door->find("a/b.txt");
  REQUIRE(found != nullptr);
  CHECK(door->find("b.txt") == nullptr);
  CHECK(text(*found, 0, 11) == "hello world");
  CHECK(text(*found, 6, 5) == "world");
  CHECK(text(*found, 11, 0).empty());
  CHECK(found->span(0, 5)->data() == found->span(0, 11)->data()); // one mapping
  auto fd = found->open();
  REQUIRE(fd);
  CHECK(contents(*fd) == "hello world");
  CHECK((::fcntl(fd->get(), F_GETFL) & O_ACCMODE) == O_RDONLY);
  CHECK((::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("a file of several segments is one contiguous span") {
  const Blobs blobs;
  blobs.add(1, "0123456789");
  blobs.add(2, "abcdef");
  const Json files = Json::array({file("x", 9, {segment(1, 2, 3), segment(1, 0, 0), segment(2, 0, 6)})});
  auto door = FileDoor::make(files, blobs.open());
  REQUIRE(door);
  const DoorFile& found = *door->find("x");
  CHECK(text(found, 0, 9) == "234abcdef");
  CHECK(text(found, 2, 2) == "4a");
  CHECK(text(found, 0, 3) == "234");
  CHECK(text(found, 4, 5) == "bcdef");
  auto fd = found.open();
  REQUIRE(fd);
  CHECK(contents(*fd) == "234abcdef");
  CHECK(::write(fd->get(), "x", 1) < 0);
}

TEST_CASE("page-aligned segments are mapped side by side") {
  const Blobs blobs;
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::string a(2 * page, 'a'), b(page + 100, 'b');
  blobs.add(1, a);
  blobs.add(2, b);
  const std::uint64_t size = page + b.size();
  const Json files = Json::array({file("x", size, {segment(1, page, page), segment(2, 0, b.size())})});
  auto door = FileDoor::make(files, blobs.open());
  REQUIRE(door);
  CHECK(text(*door->find("x"), 0, size) == std::string(page, 'a') + b);
  CHECK(text(*door->find("x"), page - 1, 2) == "ab");
}

TEST_CASE("a tensor of several pieces is mapped where it lies, wherever that is in the file") {
  const CutWeights cut;
  const auto view = cut.file_x().span(100, cut.tensor.size());
  REQUIRE(view);
  CHECK(*view == cut.tensor);
  for (const int piece : {0, 1}) {
    const BlobMappings mappings(cut.blobs, 2 + piece,
                                view->substr(static_cast<std::size_t>(piece) * k_piece, k_piece));
    CHECK(mappings.count == 1);
    CHECK(mappings.holds);
  }
  CHECK(BlobMappings(cut.blobs, 5).count == 0); // the other tensor was not asked for
  // A part of it, begun and ended inside of pieces, needs no copy either.
  const auto part = cut.file_x().span(100 + 10, k_piece + 100'000);
  REQUIRE(part);
  CHECK(*part == std::string_view(cut.tensor).substr(10, k_piece + 100'000));
  CHECK(BlobMappings(cut.blobs, 2, part->substr(0, k_piece - 10)).holds);
  CHECK(BlobMappings(cut.blobs, 3, part->substr(k_piece - 10)).holds);
}

TEST_CASE("stretches of one blob share its mapping") {
  const CutWeights cut;
  const std::size_t gap = 100 + cut.tensor.size(), tail = gap + 30 + cut.small.size();
  const auto head_view = cut.file_x().span(10, 90), gap_view = cut.file_x().span(gap, 30),
             tail_view = cut.file_x().span(tail + 20, 30);
  REQUIRE((head_view && gap_view && tail_view));
  CHECK(*head_view == std::string_view(cut.glue).substr(10, 90));
  CHECK(*gap_view == std::string_view(cut.glue).substr(100, 30));
  CHECK(*tail_view == std::string_view(cut.glue).substr(150, 30));
  CHECK(gap_view->data() - head_view->data() == 90);
  CHECK(tail_view->data() - head_view->data() == 140);
  CHECK(BlobMappings(cut.blobs, 1).count == 1);
}

TEST_CASE("a range over other segments is copied, and no more than that range") {
  const CutWeights cut;
  const std::size_t gap = 100 + cut.tensor.size();
  CHECK(text(cut.file_x(), gap + 10, 1000) == cut.whole.substr(gap + 10, 1000));
  CHECK(BlobMappings(cut.blobs, 2).count == 0);
  CHECK(text(cut.file_x(), 0, cut.whole.size()) == cut.whole);
  for (const std::size_t at : {1UL, 99UL, 100UL, 101UL, 100 + k_piece - 1, 100 + k_piece + 1, gap - 1, gap})
    for (const std::size_t length : {2UL, 4096UL, k_piece, 2 * k_piece}) {
      CAPTURE(at);
      CAPTURE(length);
      const std::size_t inside = std::min(length, cut.whole.size() - at);
      CHECK(text(cut.file_x(), at, inside) == cut.whole.substr(at, inside));
    }
}

TEST_CASE("segments of any offset and length are joined as they should be") {
  const Blobs blobs;
  std::uint64_t seed = 7;
  const auto next = [&seed](std::uint64_t below) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (seed >> 33) % below;
  };
  std::vector<std::string> contents;
  for (int i = 0; i < 4; ++i)
    blobs.add(i + 1, contents.emplace_back(pattern(600 * k_kib, static_cast<std::uint64_t>(i))));
  for (int round = 0; round < 30; ++round) {
    std::vector<Json> segments;
    std::string whole;
    for (int i = 0; i < 8; ++i) {
      const auto blob = static_cast<int>(next(4));
      std::uint64_t offset = next(300 * k_kib), length = 1 + next(300 * k_kib);
      if (next(2) == 0) offset -= offset % 4096;
      if (next(2) == 0) length += 4096 - length % 4096;
      segments.push_back(segment(blob + 1, offset, length));
      whole += contents[static_cast<std::size_t>(blob)].substr(offset, length);
    }
    auto door = FileDoor::make(Json::array({file("x", whole.size(), segments)}), blobs.open());
    REQUIRE(door);
    for (int i = 0; i < 10; ++i) {
      const std::uint64_t offset = next(whole.size()), length = 1 + next(whole.size() - offset);
      const auto view = door->find("x")->span(offset, length);
      REQUIRE(view);
      CHECK((*view == std::string_view(whole).substr(offset, length)));
      CHECK(door->find("x")->span(offset, length)->data() == view->data());
    }
    const auto fd = door->find("x")->open();
    REQUIRE(fd);
    const auto read = read_all(fd->get(), whole.size(), "a file", ErrorCode::internal);
    REQUIRE(read);
    CHECK((*read == whole));
  }
}

TEST_CASE("many threads get the same views") {
  const CutWeights cut;
  const std::vector<std::pair<std::size_t, std::size_t>> ranges = {
      {0, 50}, {50, 100}, {100, cut.tensor.size()}, {100 + k_piece, 1000}, {0, cut.whole.size()}};
  std::vector<std::vector<const char*>> seen(4);
  std::vector<std::thread> threads;
  for (auto& views : seen)
    threads.emplace_back([&] {
      for (const auto& [offset, length] : ranges)
        views.push_back(cut.file_x().span(offset, length)->data());
    });
  for (std::thread& thread : threads)
    thread.join();
  for (const auto& views : seen)
    CHECK(views == seen.front());
  for (std::size_t i = 0; i < ranges.size(); ++i)
    CHECK((std::string_view(seen.front()[i], ranges[i].second) ==
           std::string_view(cut.whole).substr(ranges[i].first, ranges[i].second)));
}

TEST_CASE("a joined view can't be written to, and a cut file's descriptor neither") {
  const CutWeights cut;
  for (const std::size_t length : {cut.tensor.size(), cut.whole.size() - 100}) {
    const auto view = cut.file_x().span(100, length);
    REQUIRE(view);
    std::ifstream maps("/proc/self/maps");
    bool found = false;
    for (std::string line; std::getline(maps, line);) {
      const std::uint64_t begin = std::stoull(line, nullptr, 16);
      const std::uint64_t end = std::stoull(line.substr(line.find('-') + 1), nullptr, 16);
      const auto first = reinterpret_cast<std::uint64_t>(view->data());
      if (end <= first || begin >= first + view->size()) continue;
      found = true;
      CHECK_MESSAGE(line.find(" r--p ") != std::string::npos, line);
    }
    CHECK(found);
  }
  auto fd = cut.file_x().open();
  REQUIRE(fd);
  CHECK(contents(*fd) == cut.whole);
  CHECK(::write(fd->get(), "x", 1) < 0);
}

TEST_CASE("a piece that is missing or too short fails the ranges that need it, and no others") {
  const CutWeights cut;
  std::filesystem::resize_file(cut.blobs.path + "/" + Blobs::name(3), k_piece - 1);
  std::filesystem::remove(cut.blobs.path + "/" + Blobs::name(5));
  const auto view = cut.file_x().span(100, cut.tensor.size());
  REQUIRE_FALSE(view);
  CHECK(view.error().code == ErrorCode::load_failed);
  CHECK_MESSAGE(view.error().message.find("has 262143 bytes") != std::string::npos, view.error().message);
  CHECK_FALSE(cut.file_x().span(100 + cut.tensor.size() + 29, 2)); // the small tensor's first byte
  CHECK_FALSE(cut.file_x().span(0, cut.whole.size()));
  CHECK_FALSE(cut.file_x().open());
  CHECK(text(cut.file_x(), 50, 1000) == cut.whole.substr(50, 1000));
  cut.blobs.add(3, cut.tensor.substr(k_piece, k_piece)); // mended: nothing of the failure was kept
  CHECK(text(cut.file_x(), 100, cut.tensor.size()) == cut.tensor);
}

TEST_CASE("an empty file has an empty span and an empty descriptor") {
  const Blobs blobs;
  auto door = FileDoor::make(Json::array({file("empty", 0, {})}), blobs.open());
  REQUIRE(door);
  CHECK(text(*door->find("empty"), 0, 0).empty());
  auto fd = door->find("empty")->open();
  REQUIRE(fd);
  CHECK(contents(*fd).empty());
}

TEST_CASE("ranges outside of a file are refused, near the end of numbers too") {
  const Blobs blobs;
  blobs.add(1, "hello");
  auto door = FileDoor::make(Json::array({file("x", 5, {segment(1, 0, 5)})}), blobs.open());
  REQUIRE(door);
  const DoorFile& found = *door->find("x");
  CHECK_FALSE(found.span(0, 6));
  CHECK_FALSE(found.span(6, 0));
  CHECK_FALSE(found.span(1, UINT64_MAX));
  CHECK_FALSE(found.span(UINT64_MAX, 2));
  const mrun_file abi = found.abi();
  const void* data = nullptr;
  CHECK(abi.span(&abi, 3, 3, &data) == MRUN_FAILED);
  CHECK(abi.span(&abi, 1, 3, &data) == MRUN_OK);
  CHECK(std::string_view(static_cast<const char*>(data), 3) == "ell");
  CHECK(abi.span(&abi, 1, 3, nullptr) == MRUN_FAILED);
  int fd = -1;
  CHECK(abi.open(&abi, &fd) == MRUN_OK);
  CHECK(contents(UniqueFd(fd)) == "hello");
}

TEST_CASE("a store that does not hold what the spec says is an error, not a crash") {
  const Blobs blobs;
  blobs.add(1, "short");
  std::filesystem::create_directory(blobs.path + "/" + Blobs::name(2));
  std::filesystem::create_symlink("/etc/hostname", blobs.path + "/" + Blobs::name(3));
  const auto error = [&](const Json& entry) {
    auto door = FileDoor::make(Json::array({entry}), blobs.open());
    REQUIRE(door);
    auto view = door->find("x")->span(0, 1);
    REQUIRE_FALSE(view);
    CHECK_FALSE(door->find("x")->open());
    return view.error();
  };
  CHECK(error(file("x", 100, {segment(1, 0, 100)})).message.find("has 5 bytes") != std::string::npos);
  CHECK(error(file("x", 1, {segment(1, 6, 1)})).code == ErrorCode::load_failed);
  CHECK(error(file("x", 5, {segment(9, 0, 5)})).message.find("can't be opened") != std::string::npos);
  CHECK_FALSE(error(file("x", 1, {segment(2, 0, 1)})).message.empty());
  CHECK(error(file("x", 1, {segment(3, 0, 1)})).code == ErrorCode::load_failed); // symlinks are not followed
}

TEST_CASE("lists of files that break their format are refused") {
  CHECK(spec_error(Json::object()).code == ErrorCode::load_failed);
  CHECK(spec_error(Json::array({1})).code == ErrorCode::load_failed);
  CHECK(spec_error(Json::array({file("/etc/passwd", 0, {})})).code == ErrorCode::path_refused);
  CHECK(spec_error(Json::array({file("../x", 0, {})})).code == ErrorCode::path_refused);
  CHECK(spec_error(Json::array({file("x", 0, {}), file("x", 0, {})})).message.find("twice") !=
        std::string::npos);
  CHECK(spec_error(Json::array({file("x", 5, {segment(1, 0, 4)})})).message.find("add up") !=
        std::string::npos);
  CHECK(spec_error(Json::array({file("x", 5, {segment(1, 0, 4), segment(1, 0, 4)})})).code ==
        ErrorCode::load_failed);
  Json bad = file("x", 5, {segment(1, 0, 5)});
  bad["segments"][0]["blob"] = "../../../etc/passwd";
  CHECK_FALSE(spec_error(Json::array({bad})).message.empty());
  bad = file("x", 5, {segment(1, 0, 5)});
  bad["segments"][0]["offset"] = -1;
  CHECK(spec_error(Json::array({bad})).message.find("negative") != std::string::npos);
  bad = file("x", 5, {segment(1, 0, 5)});
  bad["segments"][0]["length"] = UINT64_MAX;
  CHECK(spec_error(Json::array({bad})).code == ErrorCode::load_failed);
  bad["segments"] = "none";
  CHECK(spec_error(Json::array({bad})).code == ErrorCode::load_failed);
  bad["segments"] = Json::array({1});
  CHECK(spec_error(Json::array({bad})).code == ErrorCode::load_failed);
}

TEST_CASE("an input file is mapped, and each descriptor of it is its own") {
  auto memory = sealed_memfd("input", "picture");
  REQUIRE(memory);
  auto input = input_file(std::move(*memory), "cat.png", 7);
  REQUIRE(input);
  CHECK((*input)->name() == "cat.png");
  CHECK(text(**input, 1, 3) == "ict");
  CHECK_FALSE((*input)->span(5, 3));
  auto first = (*input)->open(), second = (*input)->open();
  REQUIRE(first);
  REQUIRE(second);
  CHECK(contents(*first) == "picture");
  CHECK(contents(*second) == "picture");
  auto again = sealed_memfd("input", "picture");
  auto wrong = input_file(std::move(*again), "cat.png", 8);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == ErrorCode::input_file);
}
