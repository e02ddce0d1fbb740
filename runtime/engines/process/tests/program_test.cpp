#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "runtime/engines/process/program.h"

using namespace mrun;
using namespace mrun::process;

namespace {

struct Heard : Program::Listener {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> lines;
  bool was_too_long = false;
  std::optional<ProgramEnd> end;

  void on_line(std::string_view line) override {
    const std::scoped_lock lock(mutex);
    lines.emplace_back(line);
    changed.notify_all();
  }
  void on_too_long(std::size_t) override {
    const std::scoped_lock lock(mutex);
    was_too_long = true;
  }
  void on_end(ProgramEnd how) override {
    const std::scoped_lock lock(mutex);
    end = how;
    changed.notify_all();
  }
  void wait_for_lines(std::size_t count) {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return lines.size() >= count; }));
  }
  void wait_for_end() {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return end.has_value(); }));
  }
};

// A script in a folder of its own.
struct Script {
  std::filesystem::path folder;
  explicit Script(const std::string& text) {
    std::string name = (std::filesystem::temp_directory_path() / "mrun-program-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    std::ofstream(folder / "main") << text;
    ::chmod((folder / "main").c_str(), 0700);
    ::signal(SIGPIPE, SIG_IGN); // as in a worker
  }
  ~Script() { std::filesystem::remove_all(folder); }
  Result<std::unique_ptr<Program>> start(Heard& heard) const {
    return Program::start({(folder / "main").string(), folder.string(), {"PATH=/usr/bin:/bin", "WORD=given"}},
                          heard);
  }
};

} // namespace

TEST_CASE("lines go to the program and come back, in its folder and environment") {
  const Script script("#!/bin/sh\necho \"$WORD $(basename \"$0\") $# $HOME\"\nls\nwhile read -r line; do "
                      "echo \"got $line\"; done\n");
  Heard heard;
  {
    auto program = script.start(heard);
    REQUIRE_MESSAGE(program, program.error().message);
    heard.wait_for_lines(2);
    (*program)->send("one\n");
    (*program)->send(std::string(200'000, 'x') + "\n"); // more than a pipe holds
    heard.wait_for_lines(4);
  }
  heard.wait_for_end();
  CHECK(heard.lines[0] == "given main 0 ");
  CHECK(heard.lines[1] == "main");
  CHECK(heard.lines[2] == "got one");
  CHECK(heard.lines[3].size() == 200'004);
  CHECK(heard.end->words() == "ended with exit code 0"); // its input was closed
}

TEST_CASE("how it ended is told, and its last words even without a newline") {
  Heard heard;
  const Script exits("#!/bin/sh\nprintf 'last words'\nexit 7\n");
  const auto program = exits.start(heard);
  heard.wait_for_end();
  CHECK(heard.lines == std::vector<std::string>{"last words"});
  CHECK(heard.end->words() == "ended with exit code 7");
  Heard other;
  const Script dies("#!/bin/sh\nkill -9 $$\n");
  const auto killed = dies.start(other);
  other.wait_for_end();
  CHECK(other.end->words() == "died of SIGKILL");
}

TEST_CASE("what it leaves behind does not hold up its end") {
  Heard heard;
  const Script leaves("#!/bin/sh\nsleep 60 &\necho $!\nexit 5\n");
  const auto program = leaves.start(heard);
  heard.wait_for_end();
  CHECK(heard.end->words() == "ended with exit code 5");
  REQUIRE(heard.lines.size() == 1);
  ::kill(std::stoi(heard.lines[0]), SIGKILL);
}

TEST_CASE("one that goes on without an input, or without an output, is ended") {
  Heard deaf, mute;
  const Script ignores("#!/bin/sh\ntrap '' TERM\necho up\nwhile :; do :; done\n");
  {
    const auto program = ignores.start(deaf);
    deaf.wait_for_lines(1);
  }
  CHECK(deaf.end->words() == "died of SIGKILL");
  const Script closes("#!/bin/sh\nexec >&-\nexec sleep 600\n");
  const auto program = closes.start(mute);
  mute.wait_for_end();
  CHECK(mute.end->words() == "died of SIGKILL");
}

TEST_CASE("what can't be started is refused in words") {
  Heard heard;
  const auto refusal = [&](const Script& script) {
    const auto program = script.start(heard);
    REQUIRE_FALSE(program);
    CHECK(program.error().code == ErrorCode::load_failed);
    return program.error().message;
  };
  CHECK(refusal(Script("#!/no/such/thing\n")) == "`main` can't be started: its interpreter is not there");
  CHECK(refusal(Script("text\n")) == "`main` is neither a program nor a script");
  const Script locked("#!/bin/sh\n");
  ::chmod((locked.folder / "main").c_str(), 0600);
  CHECK(refusal(locked).find("Permission denied") != std::string::npos);
  CHECK_FALSE(heard.end);
}
