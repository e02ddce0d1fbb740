#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "cli/predict/file_saver.h"
#include "cli/predict/output_sink.h"
#include "common/fd.h"
#include "common/media_type.h"

namespace mrun::cli {
namespace fs = std::filesystem;
namespace {

struct TempFolder {
  fs::path path;
  TempFolder() {
    std::string pattern = (fs::temp_directory_path() / "mrun-cli-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~TempFolder() { fs::remove_all(path); }
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
};

std::string content(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A terminal whose standard output is a file.
struct Fixture {
  TempFolder folder;
  UniqueFd out{::open((folder.path / "stdout").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  UniqueFd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  Terminal terminal{null.get(), out.get(), null.get()};
  Context context{.terminal = terminal};

  std::string printed() const { return content(folder.path / "stdout"); }
};

Result<void> give(const FileMark&, const ByteSink& sink) {
  return sink("bytes of the file");
}
Result<void> break_off(const FileMark&, const ByteSink& sink) {
  MRUN_TRY(sink("half"));
  return fail(ErrorCode::daemon_unreachable, "gone");
}

const Json k_file = file_mark_json({.index = 0,
                                    .media_type = "image/png",
                                    .name = "../../evil\n.png",
                                    .size_bytes = 17,
                                    .digest = "sha256:" + std::string(64, 'a')});

} // namespace

TEST_CASE("a model's file name can't leave the folder") {
  CHECK(safe_output_name("a.png", "image/png", 0) == "a.png");
  CHECK(safe_output_name("../../etc/passwd", "", 0) == "passwd");
  CHECK(safe_output_name("..\\x.png", "", 0) == "x.png");
  CHECK(safe_output_name(".bashrc", "", 0) == "bashrc");
  CHECK(safe_output_name("-rf", "", 0) == "rf");
  CHECK(safe_output_name("a\nb\x1b[0m.png", "", 0) == "ab[0m.png");
  CHECK(safe_output_name("..", "image/jpeg", 3) == "output-3.jpg");
  CHECK(safe_output_name("", "x/y", 1) == "output-1.bin");
  CHECK(safe_output_name("\xFF\xFE", "text/plain", 2) == "output-2.txt");
  CHECK(safe_output_name(std::string(300, 'a'), "text/plain", 2) == "output-2.txt");
}

TEST_CASE("patterns") {
  std::string name = "out/%{index}.%{ext}";
  CHECK(expand_output_pattern(name, "7", "png"));
  CHECK(name == "out/7.png");
  std::string plain = "x.%{ext}";
  CHECK_FALSE(expand_output_pattern(plain, "7", "png"));
  CHECK(plain == "x.png");
}

TEST_CASE("an atomic file is whole or absent, and replaces only when asked") {
  TempFolder folder;
  const fs::path target = folder.path / "a.txt";
  {
    auto file = AtomicFile::create(target);
    REQUIRE(file);
    REQUIRE(file->write("half"));
  }
  CHECK(folder.count() == 0);
  auto first = AtomicFile::create(target);
  REQUIRE(first->write("one"));
  REQUIRE(first->commit(false));
  auto second = AtomicFile::create(target);
  REQUIRE(second->write("two"));
  CHECK(second->commit(false).error().code == ErrorCode::output_exists);
  CHECK(content(target) == "one");
  REQUIRE(second->commit(true));
  CHECK(content(target) == "two");
  CHECK(check_target(target, false).error().code == ErrorCode::output_exists);
  CHECK(check_target(folder.path, true).error().code == ErrorCode::usage);
  CHECK(check_target("/dev/null", false));
  CHECK(AtomicFile::create(folder.path / "absent/x").error().code == ErrorCode::io);
  CHECK(free_path(folder.path, "a.txt") == folder.path / "a-2.txt");
}

TEST_CASE("text streams, and its last line ends") {
  Fixture fixture;
  const TypeSpec type{.type = ValueType::string, .iterator = true, .concatenate = true};
  auto sink = OutputSink::create(fixture.context, type, {});
  REQUIRE(sink->value("he"));
  CHECK(fixture.printed() == "he");
  REQUIRE(sink->value("llo"));
  REQUIRE(sink->finish({}));
  CHECK(fixture.printed() == "hello\n");
}

TEST_CASE("JSON is one line for programs") {
  Fixture fixture;
  const TypeSpec type{.type = ValueType::array};
  auto sink = OutputSink::create(fixture.context, type, {});
  REQUIRE(sink->value(Json{1, 2.5, "x"}));
  REQUIRE(sink->finish({}));
  CHECK(fixture.printed() == "[1,2.5,\"x\"]\n");
}

TEST_CASE("-o writes a file, and a second output gets a name of its own") {
  Fixture fixture;
  const TypeSpec type{.type = ValueType::array};
  const fs::path target = fixture.folder.path / "out.png";
  auto sink = OutputSink::create(fixture.context, type, {.target = target.string()});
  REQUIRE(sink->value(Json::array({k_file, k_file})));
  REQUIRE(sink->finish(give));
  CHECK(content(target) == "bytes of the file");
  CHECK(content(fixture.folder.path / "out-2.png") == "bytes of the file");
  CHECK(fixture.printed() == target.string() + "\n" + (fixture.folder.path / "out-2.png").string() + "\n");
  CHECK(OutputSink::create(fixture.context, type, {.target = target.string()}).error().code ==
        ErrorCode::output_exists);
  CHECK(OutputSink::create(fixture.context, type, {.target = target.string(), .replace = true}));
}

TEST_CASE("a broken download leaves nothing") {
  Fixture fixture;
  const TypeSpec type{.type = ValueType::file};
  const std::size_t before = fixture.folder.count();
  auto sink = OutputSink::create(fixture.context, type, {.target = (fixture.folder.path / "x.png").string()});
  REQUIRE(sink->value(k_file));
  CHECK(sink->finish(break_off).error().code == ErrorCode::daemon_unreachable);
  CHECK(fixture.folder.count() == before);
}

TEST_CASE("-o - gives raw bytes") {
  Fixture fixture;
  const TypeSpec type{.type = ValueType::file};
  auto sink = OutputSink::create(fixture.context, type, {.target = "-"});
  REQUIRE(sink->value(k_file));
  REQUIRE(sink->finish(give));
  CHECK(fixture.printed() == "bytes of the file");
}

TEST_CASE("--json and -o exclude each other") {
  Fixture fixture;
  fixture.context.json = true;
  const TypeSpec type;
  CHECK(OutputSink::create(fixture.context, type, {.target = "x"}).error().code == ErrorCode::usage);
}

TEST_CASE("media types") {
  CHECK(guess_media_type("x.bin", "\x89PNG\r\n\x1a\n123") == "image/png");
  CHECK(guess_media_type("x", "RIFF1234WEBP") == "image/webp");
  CHECK(guess_media_type("A.JPG", "") == "image/jpeg");
  CHECK(guess_media_type("x", "") == "application/octet-stream");
  const std::vector<std::string> accepted = {"image/*", "text/plain"};
  CHECK(accepts_media_type(accepted, "image/png"));
  CHECK(accepts_media_type(accepted, "text/plain"));
  CHECK_FALSE(accepts_media_type(accepted, "text/html"));
  CHECK_FALSE(accepts_media_type(accepted, "imagex/png"));
  CHECK(accepts_media_type({}, "x/y"));
}

} // namespace mrun::cli
