// Instances of a model share its weights: workers forked from one warmed process, each with the model loaded
// and run.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "tests/torch/corpus_case.h"

namespace mrun::test {
namespace {

namespace fs = std::filesystem;

const std::string k_module = MRUN_TEST_ENGINES_DIR "/torch.so";
const fs::path k_networks = MRUN_TEST_NETWORKS_DIR;

struct Memory {
  std::uint64_t mapped = 0; // the model file's proportional share, of all instances together
  std::uint64_t dirtied =
      0; // written or allocated by the instance that has most, beyond what it was forked with
};

struct Pipe {
  UniqueFd read, write;
  Pipe() {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    read = UniqueFd(ends[0]);
    write = UniqueFd(ends[1]);
  }
};

std::uint64_t kib_of(const std::string& line) {
  return std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10) * 1024;
}

// Of /proc/PID/smaps: the lines `Pss:` of mappings of `file`, and every `Private_Dirty:`.
void add_memory(pid_t pid, const std::string& file, Memory& memory) {
  std::ifstream maps(fmt::format("/proc/{}/smaps", pid));
  REQUIRE(maps.good());
  bool of_file = false;
  std::uint64_t dirty = 0;
  for (std::string line; std::getline(maps, line);) {
    const std::size_t colon = line.find(':');
    const bool is_header =
        line.find('-') < colon && line.find(' ') < colon; // "7f12-7f34 r--p … fe:00 12 /path"
    if (is_header) of_file = line.ends_with(file);
    if (line.starts_with("Pss:") && of_file) memory.mapped += kib_of(line);
    if (line.starts_with("Private_Dirty:")) dirty += kib_of(line);
  }
  memory.dirtied = std::max(memory.dirtied, dirty);
}

// Runs in the child: never returns.
[[noreturn]] void serve(LoadedModule& module, const CorpusCase& one, int ready, int stop) {
  std::vector<GivenInput> inputs = one.inputs();
  const bool works = module.load_file(one.model()) == MRUN_OK && module.start(inputs) == MRUN_OK;
  const char word = works ? 'y' : 'n';
  char ignored = 0;
  if (::write(ready, &word, 1) != 1 || ::read(stop, &ignored, 1) < 0) ::_exit(2);
  ::_exit(works ? 0 : 1);
}

Memory memory_of(LoadedModule& module, const CorpusCase& one, int count) {
  const Pipe ready;
  Pipe stop; // closed: everyone ends
  std::vector<pid_t> pids;
  for (int i = 0; i < count; ++i) {
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      stop.write.reset();
      serve(module, one, ready.write.get(), stop.read.get());
    }
    pids.push_back(pid);
  }
  Memory memory;
  for (int i = 0; i < count; ++i) {
    char word = 0;
    REQUIRE(::read(ready.read.get(), &word, 1) == 1);
    CHECK(word == 'y');
  }
  for (const pid_t pid : pids)
    add_memory(pid, one.model(), memory);
  stop.write.reset();
  for (const pid_t pid : pids) {
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
  }
  return memory;
}

} // namespace

TEST_CASE("four instances take the weights' memory once") {
  LoadedModule module(k_module);
  REQUIRE(module.warm() == MRUN_OK);
  for (const std::string name : {"craft", "recogniser"}) {
    CAPTURE(name);
    const CorpusCase one(k_networks / name);
    const auto weights = static_cast<double>(fs::file_size(one.model()));
    double first = 0;
    for (const int count : {1, 2, 4}) {
      const Memory memory = memory_of(module, one, count);
      std::printf("%s, %d instances: %.1f MB of weights in memory, of %.1f MB; %.1f MB of its own the most\n",
                  name.c_str(), count, static_cast<double>(memory.mapped) / 1e6, weights / 1e6,
                  static_cast<double>(memory.dirtied) / 1e6);
      if (count == 1) first = static_cast<double>(memory.mapped);
      CHECK(first > 0.9 * weights); // it was read
      CHECK(static_cast<double>(memory.mapped) < 1.3 * first);
    }
  }
}

} // namespace mrun::test
