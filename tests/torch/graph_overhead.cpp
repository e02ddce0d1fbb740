// What the graph executor adds to the operators: its time for a graph, minus the time of a bare loop that
// makes the same boxed calls with the arguments recorded before, by turns. Usage: torch_graph_overhead
// MODEL.pt2 [ROUNDS] with LD_LIBRARY_PATH naming LibTorch; one thread. Prints one JSON object.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "common/fd.h"
#include "runtime/engines/torch/execute.h"
#include "runtime/engines/torch/exported_archive.h"
#include "runtime/engines/torch/inspect/example_sizes.h"
#include "runtime/engines/torch/prepare.h"
#include "runtime/engines/torch/tensors.h"
#include "runtime/engines/torch/types.h"

namespace mrun::torch_engine {
namespace {

using Clock = std::chrono::steady_clock;

template<class T>
T need(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

mrun_status span_of_mapping(const mrun_file* file, std::uint64_t offset, std::uint64_t length,
                            const void** data) {
  if (offset > file->size || length > file->size - offset) return MRUN_FAILED;
  *data = static_cast<const std::string_view*>(file->impl)->data() + offset;
  return MRUN_OK;
}

struct Loaded {
  std::unique_ptr<CompiledGraph> graph;
  std::vector<c10::IValue> slots; // weights and example inputs in place
};

Loaded load(const mrun_host& host, const Archive& archive) {
  const ProgramPlace place = need(locate_program(archive));
  const Program program = need(parse_program(need(archive.stored_bytes(place.program()))));
  const Payloads weights = need(read_payloads(archive, place, "weights"));
  const Payloads constants = need(read_payloads(archive, place, "constants"));
  Loaded loaded;
  loaded.graph = need(compile_graph(program.graph, {c10::Device(c10::DeviceType::CPU), nullptr}));
  loaded.slots.resize(loaded.graph->value_count);
  for (const InputSpec& spec : program.inputs) {
    if (spec.kind == InputKind::user || spec.value == k_no_value) continue;
    const bool weight = weights.contains(spec.target);
    const Payload& payload = weight ? weights.at(spec.target) : constants.at(spec.target);
    const std::string_view bytes =
        need(archive.stored_bytes(place.folder(weight ? "weights" : "constants") + payload.member));
    loaded.slots[static_cast<std::size_t>(spec.value)] =
        need(map_tensor(payload.meta, bytes, spec.target)).clone();
  }
  fold_constants(host, *loaded.graph, loaded.slots);
  const Sizes sizes = example_sizes(program);
  for (const InputSpec& spec : program.inputs) {
    if (spec.kind != InputKind::user) continue;
    const auto meta = program.graph.metas.find(spec.value);
    c10::IValue& slot = loaded.slots[static_cast<std::size_t>(spec.value)];
    slot = meta == program.graph.metas.end()
               ? c10::IValue(k_example_number)
               : c10::IValue(at::ones(*shape_at(meta->second, sizes),
                                      at::dtype(*scalar_type_of(meta->second.dtype))));
  }
  return loaded;
}

double median_us(std::vector<double> samples) {
  std::ranges::sort(samples);
  return samples[samples.size() / 2];
}

template<class Body>
double time_us(Body body) {
  const auto start = Clock::now();
  body();
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

int measure(const char* path, int rounds) {
  at::set_num_threads(1);
  const c10::InferenceMode inference;
  mrun_host host{};
  host.cancelled = [](const mrun_host*, std::uint64_t) -> std::int32_t { return 0; };
  const std::string bytes = need(read_file(path, std::size_t{1} << 32, ErrorCode::io, ErrorCode::io));
  std::string_view view = bytes;
  mrun_file file{sizeof file, {}, bytes.size(), &view, span_of_mapping, nullptr};
  const Archive archive = need(Archive::open(file));
  const Loaded loaded = load(host, archive);

  std::vector<RecordedCall> calls;
  RunContext recording{host, 0, &calls};
  (void)need(run_graph(*loaded.graph, loaded.slots, recording));
  RunContext plain{host, 0};
  std::vector<double> graph, bare;
  torch::jit::Stack stack;
  for (int round = 0; round < rounds + rounds / 5; ++round) {
    const double graph_us = time_us([&] { (void)need(run_graph(*loaded.graph, loaded.slots, plain)); });
    const double bare_us = time_us([&] {
      for (const RecordedCall& call : calls) {
        stack.assign(call.arguments.begin(), call.arguments.end());
        call.op.callBoxed(stack);
      }
    });
    if (round < rounds / 5) continue; // warm-up
    graph.push_back(graph_us);
    bare.push_back(bare_us);
  }
  const std::size_t nodes = loaded.graph->instructions.size();
  const double over = (median_us(graph) - median_us(bare)) / static_cast<double>(nodes);
  fmt::print("{{\"nodes\": {}, \"calls\": {}, \"graph_us\": {:.2f}, \"bare_us\": {:.2f}, "
             "\"overhead_us_per_node\": {:.4f}, "
             "\"rounds\": {}}}\n",
             nodes, calls.size(), median_us(graph), median_us(bare), over, rounds);
  return 0;
}

} // namespace
} // namespace mrun::torch_engine

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  return mrun::torch_engine::measure(argv[1], argc > 2 ? std::atoi(argv[2]) : 200); // NOLINT
}
