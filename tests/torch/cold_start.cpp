// How long a forked child of a warmed process takes from fork to the first result, phase by phase.
// Usage: torch_cold_start MODULE CORPUS_CASE [RUNS]   (MRUN_TORCH_DIR set; CORPUS_CASE is a folder of the
// corpus). With CUT=1 the model file is cut as `mrun pack` cuts, with CUT=0 it is one blob.
// A tool, no test: figures of the whole program come from scripts/bench.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/json.h"
#include "common/limits.h"
#include "runtime/mrun_predictor.h"
#include "tests/torch/cut_model.h"

namespace mrun::test {
namespace {

double now_ms() {
  timespec now{};
  clock_gettime(std::getenv("CPU_TIME") == nullptr ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID,
                &now); // NOLINT
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

struct Mark {
  std::string name;
  double at_ms;
};

struct Timeline {
  std::vector<Mark> marks;
  void mark(std::string name) { marks.push_back({std::move(name), now_ms()}); }
};

mrun_host make_host(Timeline& timeline) {
  mrun_host host{};
  host.struct_size = sizeof host;
  host.abi_major = MRUN_ABI_MAJOR;
  host.impl = &timeline;
  host.log = [](const mrun_host*, std::uint64_t, std::int32_t, mrun_text) {};
  host.emit = [](const mrun_host*, std::uint64_t, const mrun_value*) -> mrun_status { return MRUN_OK; };
  host.metric = [](const mrun_host*, std::uint64_t, mrun_text, double) -> mrun_status { return MRUN_OK; };
  host.cancelled = [](const mrun_host*, std::uint64_t) -> std::int32_t { return 0; };
  host.fail = [](const mrun_host*, std::uint64_t, mrun_text message, mrun_text details) {
    std::fprintf(stderr, "%.*s\n%.*s\n", static_cast<int>(message.size), message.data,
                 static_cast<int>(details.size), details.data);
  };
  host.phase = [](const mrun_host* self, mrun_text name) {
    static_cast<Timeline*>(self->impl)->mark({name.data, name.size});
  };
  return host;
}

struct Inputs {
  std::vector<std::string> names, bytes;
  std::vector<std::vector<std::int64_t>> shapes;
  std::vector<mrun_tensor> tensors;
  std::vector<mrun_value> values;
};

Inputs read_inputs(const std::string& folder) {
  Inputs inputs;
  const auto text = read_file(folder + "/case.json", k_mib, ErrorCode::io, ErrorCode::io);
  const auto json = parse_json(*text, ErrorCode::io, "case");
  for (const Json& entry : (*json)["inputs"]) {
    inputs.names.push_back(entry["name"]);
    inputs.shapes.push_back(entry["shape"].get<std::vector<std::int64_t>>());
    inputs.bytes.push_back(*read_file(folder + "/" + entry["file"].get<std::string>(), 64 * k_mib,
                                      ErrorCode::io, ErrorCode::io));
    const bool integer = entry["dtype"] == "i64";
    inputs.tensors.push_back({sizeof(mrun_tensor), static_cast<std::int32_t>(inputs.shapes.back().size()),
                              nullptr, nullptr, nullptr, 0, static_cast<std::uint8_t>(integer ? 0 : 2),
                              static_cast<std::uint8_t>(integer ? 64 : 32), 1, 1, 0});
  }
  for (std::size_t i = 0; i < inputs.names.size(); ++i) {
    inputs.tensors[i].shape = inputs.shapes[i].data();
    inputs.tensors[i].data = inputs.bytes[i].data();
    mrun_value value{};
    value.struct_size = sizeof value;
    value.kind = MRUN_VALUE_TENSOR;
    value.name = {inputs.names[i].data(), inputs.names[i].size()};
    value.tensor = &inputs.tensors[i];
    inputs.values.push_back(value);
  }
  return inputs;
}

// In the child: load and run; the phases as one line on stdout.
int child(const mrun_predictor& predictor, const mrun_host& host, Timeline& timeline,
          const mrun_file& model_file, Inputs& inputs) {
  if (std::getenv("CPU_TIME") != nullptr) timeline.marks[0].at_ms = now_ms(); // the child's own begins at 0
  const char* threads = std::getenv("THREADS");
  mrun_model description{};
  description.struct_size = sizeof description;
  description.main_file = model_file.name;
  description.files = &model_file;
  description.file_count = 1;
  description.device_type = 1;
  description.threads = threads == nullptr ? 2 : std::atoi(threads);
  description.concurrency = 1;
  void* model = nullptr;
  if (predictor.load(&host, &description, &model) != MRUN_OK) return 1;
  const mrun_request request = {sizeof request, 1, inputs.values.data(), inputs.values.size()};
  for (const char* run : {"first", "second", "third"}) {
    timeline.mark(run);
    if (predictor.start(model, &request, 1) != MRUN_OK) return 1;
  }
  timeline.mark("end");
  std::string line;
  for (std::size_t i = 0; i + 1 < timeline.marks.size(); ++i)
    line += fmt::format("{}={:.2f} ", timeline.marks[i].name,
                        timeline.marks[i + 1].at_ms - timeline.marks[i].at_ms);
  const double first_result_ms = timeline.marks[timeline.marks.size() - 3].at_ms; // where "second" begins
  fmt::print("fork to first result {:.2f} ms: {}\n", first_result_ms - timeline.marks[0].at_ms, line);
  std::fflush(stdout);
  return 0;
}

int run(const std::string& module, const std::string& folder, int runs) {
  Timeline timeline;
  const mrun_host host = make_host(timeline);
  void* library = dlopen(module.c_str(), RTLD_NOW);
  if (library == nullptr) return std::fprintf(stderr, "%s\n", dlerror()), 1;
  const auto entry =
      reinterpret_cast<const mrun_predictor* (*)(const mrun_host*)>(dlsym(library, "mrun_predictor_v1"));
  const mrun_predictor& predictor = *entry(&host);
  const double begin_ms = now_ms();
  if (std::getenv("NO_WARM") == nullptr && predictor.warm(&host) != MRUN_OK) return 1;
  fmt::print("warm {:.1f} ms\n", now_ms() - begin_ms);
  std::fflush(stdout);
  Inputs inputs = read_inputs(folder);
  const char* cut = std::getenv("CUT");
  const bool is_cut = cut != nullptr && *cut == '1';
  const CutModel model(*read_file(folder + "/model.pt2", std::size_t{4} << 30, ErrorCode::io, ErrorCode::io),
                       is_cut ? Cut{k_mib, 64 * k_mib} : Cut{});
  for (int i = 0; i < runs; ++i) {
    timeline.marks.clear();
    timeline.mark("fork");
    const pid_t pid = fork();
    if (pid == 0) _exit(child(predictor, host, timeline, model.file(), inputs));
    int status = 0;
    waitpid(pid, &status, 0);
    if (status != 0) return 1;
  }
  return 0;
}

} // namespace
} // namespace mrun::test

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: torch_cold_start MODULE CORPUS_CASE [RUNS]\n"), 2;
  return mrun::test::run(argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 10);
}
