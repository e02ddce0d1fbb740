// Runs a fuzz target without libFuzzer: FOLDER… holds seeds; each runs as it is, then COUNT spoiled ones run.
// The input that ends the process is kept as replay-crash in the current folder: `PROGRAM 0 replay-crash`
// runs it again, as the libFuzzer program of the same name does.
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "common/fd.h"
#include "tests/fuzz/mutator.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
// Of a sanitizer, when there is one: it ends the process without a signal.
extern "C" [[gnu::weak]] void __sanitizer_set_death_callback(void (*callback)());

using namespace mrun;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t k_max_seed_bytes = 1024 * 1024;
constexpr unsigned k_patience_s = 60; // for one input, under a sanitizer on a busy machine
constexpr const char* k_crash_file = "replay-crash";

std::string_view current_input; // for the signal handler

void keep_input() {
  const int fd = ::open(k_crash_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd >= 0 && ::write(fd, current_input.data(), current_input.size()) >= 0) ::close(fd);
}

void on_signal(int signal) {
  keep_input();
  constexpr std::string_view words = "the input that did this is kept as replay-crash\n";
  if (::write(STDERR_FILENO, words.data(), words.size()) < 0) ::_exit(2);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void run(const std::string& input) {
  current_input = input;
  ::alarm(k_patience_s);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

// All files of the folders, by name, so that the spoiled ones are the same everywhere.
std::vector<std::string> read_seeds(int count, char** places) {
  std::vector<fs::path> files;
  for (int i = 0; i < count; ++i) {
    if (!fs::is_directory(places[i]))
      files.emplace_back(places[i]);
    else
      for (const auto& entry : fs::directory_iterator(places[i]))
        files.push_back(entry.path());
  }
  std::ranges::sort(files, {}, [](const fs::path& file) { return file.filename(); });
  std::vector<std::string> seeds;
  for (const fs::path& file : files)
    seeds.push_back(read_file(file.string(), k_max_seed_bytes, ErrorCode::io, ErrorCode::io).value());
  return seeds;
}

} // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  const std::string_view number = argc > 1 ? argv[1] : "";
  const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), count);
  if (argc < 3 || failed != std::errc() || end != number.data() + number.size()) {
    std::fprintf(stderr, "usage: %s COUNT FOLDER…\n", argv[0]);
    return 2;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM})
    ::signal(signal, &on_signal);
  ::signal(SIGPIPE, SIG_IGN);
  if (&__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(&keep_input);
  const std::vector<std::string> seeds = read_seeds(argc - 2, argv + 2);
  if (seeds.empty()) {
    std::fprintf(stderr, "there are no seeds\n");
    return 2;
  }
  for (const std::string& seed : seeds)
    run(seed);
  fuzz::Mutator mutator(seeds, 1);
  for (std::size_t i = 0; i < count; ++i)
    run(mutator.next());
  std::printf("%zu seeds and %zu spoiled ones\n", seeds.size(), count);
  return 0;
}
