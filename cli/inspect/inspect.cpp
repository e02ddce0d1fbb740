#include "cli/inspect/inspect.h"

#include <cstring>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/json.h"
#include "common/limits.h"
#include "common/standard_files.h"
#include "common/text.h"
#include "packager/weights/gguf_metadata.h"
#include "packager/weights/weight_layout.h"
#include "runtime/engines/torch/inspect/file_report.h"

namespace mrun::cli {
namespace {

using torch_engine::Archive;
using torch_engine::CheckOptions;
using torch_engine::OperatorTable;

constexpr rlim_t k_cpu_seconds = 120;
constexpr std::size_t k_max_table_bytes = 4 * k_mib;

// The file is a stranger's: whatever a parser may be made to do ends with this process.
void shut_in() {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const rlimit cpu{k_cpu_seconds, k_cpu_seconds}, none{0, 0};
  ::setrlimit(RLIMIT_CPU, &cpu);
  ::setrlimit(RLIMIT_CORE, &none);
  ::setrlimit(RLIMIT_FSIZE, &none);
}

mrun_status span_of_mapping(const mrun_file* file, std::uint64_t offset, std::uint64_t length,
                            const void** data) {
  if (offset > file->size || length > file->size - offset) return MRUN_FAILED;
  *data = static_cast<const char*>(file->impl) + offset;
  return MRUN_OK;
}

struct Sum {
  std::uint64_t count = 0;
  std::uint64_t size_bytes = 0;
};

Json weights_json(const WeightLayout& layout) {
  std::map<std::string, Sum> dtypes;
  Sum all;
  for (const TensorPlace& tensor : layout.tensors)
    for (Sum* sum : {&all, &dtypes[tensor.dtype]}) {
      ++sum->count;
      sum->size_bytes += tensor.size_bytes;
    }
  Json by_dtype = Json::object();
  for (const auto& [name, sum] : dtypes)
    by_dtype[name] = {{"count", sum.count}, {"size_bytes", sum.size_bytes}};
  return {{"count", all.count}, {"size_bytes", all.size_bytes}, {"dtypes", std::move(by_dtype)}};
}

Result<Json> report_weights(const WeightLayout& layout, std::uint64_t size, const ReadAt& read_at) {
  const bool gguf = layout.format == WeightFormat::gguf;
  Json report = {{"kind", gguf ? "gguf" : "safetensors"},
                 {"native_code", false},
                 {"torch_version", nullptr},
                 {"inputs", Json::array()},
                 {"outputs", Json::array()},
                 {"operators", nullptr},
                 {"weights", weights_json(layout)},
                 {"problems", Json::array()}};
  if (!gguf) return report;
  MRUN_ASSIGN(const std::optional<GgufMetadata> metadata, read_gguf_metadata(size, read_at));
  Json facts = Json::object();
  for (const char* key : {"general.architecture", "general.name", "general.license", "general.size_label"})
    if (metadata && !metadata->text(key).empty()) facts[key] = printable(metadata->text(key), 200);
  report["metadata"] = std::move(facts);
  return report;
}

struct Options {
  std::optional<OperatorTable> table;
  bool operator_libraries = false;
};

Result<Options> read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--operator-libraries") == 0) {
      options.operator_libraries = true;
    } else if (std::strcmp(argv[i], "--operators") == 0 && i + 1 < argc) {
      MRUN_ASSIGN(std::string text,
                  read_file(argv[++i], k_max_table_bytes, ErrorCode::internal, ErrorCode::internal));
      MRUN_ASSIGN(options.table, OperatorTable::parse(std::move(text)));
    } else {
      return fail(ErrorCode::internal,
                  fmt::format("mrun-inspect does not know `{}`", printable(argv[i], 60)));
    }
  }
  return options;
}

Result<Json> report(const Options& options) {
  MRUN_ASSIGN(const std::uint64_t size, file_size(STDIN_FILENO, "the file"));
  MRUN_ASSIGN(const Mapping mapping, Mapping::map(STDIN_FILENO, 0, size));
  const ReadAt read_at = [&](std::uint64_t offset, std::uint64_t length) -> Result<std::string> {
    return std::string(mapping.text().substr(offset, length));
  };
  MRUN_ASSIGN(const std::optional<WeightLayout> layout, read_weight_layout(size, read_at));
  if (layout && layout->format != WeightFormat::zip) return report_weights(*layout, size, read_at);
  mrun_file file{};
  file.struct_size = sizeof file;
  file.size = size;
  file.impl = const_cast<char*>(mapping.text().data()); // only read. NOLINT
  file.span = span_of_mapping;
  MRUN_ASSIGN(const Archive archive, Archive::open(file));
  return torch_engine::report_archive(
      archive, CheckOptions{options.table ? &*options.table : nullptr, options.operator_libraries});
}

} // namespace

int run_inspect_program(int argc, char** argv) {
  open_standard_files();
  const Result<Options> options = read_options(argc, argv);
  shut_in();
  Result<Json> result = options ? report(*options) : tl::unexpected<Error>(options.error());
  if (!result)
    result = Json{{"error",
                   {{"code", result.error().row().name},
                    {"message", result.error().message},
                    {"hint", result.error().hint}}}};
  return write_all(STDOUT_FILENO, canonical_json(*result), "the report") ? 0 : 1;
}

} // namespace mrun::cli
