// Files without paths: spans, descriptors, and specs that lie.
#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

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
