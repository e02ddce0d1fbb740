#include "runtime/engines/torch/aoti_package.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>
#include <sys/utsname.h>

#include "common/json.h"
#include "common/text.h"

namespace mrun::torch_engine {
namespace {

constexpr std::string_view k_folder = "data/aotinductor/";
constexpr std::size_t k_max_files = 10'000;
constexpr std::string_view k_pickled_weights = "weights_config.json"; // lists pickled tensors in data/weights
constexpr std::string_view k_weights_ending = "_weights.blob";
constexpr const char* k_weights_hint =
    "compile it without aot_inductor.package_constants_in_so=False, or with "
    "aot_inductor.package_constants_on_disk_format=\"binary_blob\"";
constexpr std::array<std::string_view, 4> k_sources = {".cpp", ".h", ".cu", ".txt"}; // never needed to run

// torch._inductor's names (cpu_vec_isa.py) and the features that their code uses.
struct IsaRow {
  std::string_view name;
  std::array<std::string_view, 5> features;
};
constexpr std::array<IsaRow, 6> k_isas = {{
    {"AVX2", {"avx2", "fma", "f16c"}},
    {"AVX512", {"avx512f", "avx512dq", "avx512vl", "avx512bw", "fma"}},
    {"AVX512_VNNI", {"avx512vnni"}},
    {"AVX512_BF16", {"avx512bf16"}},
    {"AMX_TILE", {"amx-tile"}},
    {"AMX_FP16", {"amx-tile"}},
}};

tl::unexpected<Error> unsupported(std::string message, std::string hint) {
  return fail(ErrorCode::engine_unsupported, std::move(message), std::move(hint));
}

// `<folder>/data/aotinductor/<model>/<file>` → model and file; empty for other members.
std::pair<std::string_view, std::string_view> model_and_file(std::string_view path) {
  const std::size_t at = path.find(k_folder);
  const bool top = at == 0 || (at != std::string_view::npos && path.find('/') == at - 1);
  if (!top) return {};
  path.remove_prefix(at + k_folder.size());
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return {};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

bool is_source(std::string_view name) {
  return std::ranges::any_of(k_sources, [&](std::string_view ending) { return name.ends_with(ending); });
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name[0] != '.' && name.find('/') == std::string_view::npos && name.size() <= 200 &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
}

Result<void> read_metadata(const Archive& archive, std::string_view member, AotiPackage& package) {
  MRUN_ASSIGN(const std::string_view text, archive.stored_bytes(member));
  MRUN_ASSIGN(const Json json, parse_json(text, ErrorCode::load_failed, "the package's metadata"));
  if (!json.is_object()) return fail(ErrorCode::load_failed, "the package's metadata is no object");
  for (const auto& [key, field] : {std::pair<const char*, std::string*>{"AOTI_DEVICE_KEY", &package.device},
                                   {"AOTI_PLATFORM", &package.platform},
                                   {"AOTI_MACHINE", &package.machine},
                                   {"AOTI_CPU_ISA", &package.cpu_isa},
                                   {"AOTI_COMPUTE_CAPABILITY", &package.compute_capability}}) {
    MRUN_ASSIGN(const auto value, json_string(json, key, ErrorCode::load_failed, "the package's metadata"));
    *field = value.value_or("");
  }
  return {};
}

} // namespace

Result<AotiPackage> read_aoti_package(const Archive& archive) {
  AotiPackage package;
  std::set<std::string_view> models, names;
  std::vector<std::string_view> libraries;
  const ZipMember* metadata = nullptr;
  for (const ZipMember& member : archive.directory().members()) {
    const auto [model, name] = model_and_file(member.name);
    if (model.empty()) continue;
    models.insert(model);
    if (name.ends_with(".so")) libraries.push_back(name);
    if (name.ends_with(".wrapper_metadata.json") || (metadata == nullptr && name.ends_with("_metadata.json")))
      metadata = &member;
    if (name.ends_with(".wrapper.cpp")) package.source = member.name;
    if (is_source(name)) continue;
    if (!is_plain_name(name) || !names.insert(name).second || names.size() > k_max_files)
      return fail(ErrorCode::load_failed,
                  fmt::format("the package is damaged: it has a file `{}`", printable(member.name, 200)));
    if (name.ends_with(k_weights_ending)) package.weights_blob = std::string(name);
    package.files.push_back({std::string(name), &member});
  }
  if (models.size() != 1)
    return unsupported(fmt::format("the package holds {} models; one with one is needed", models.size()),
                       "compile one model with torch._inductor.aoti_compile_and_package");
  if (libraries.size() != 1)
    return unsupported(
        fmt::format("the package holds {} compiled libraries (.so), one is needed: its code would have "
                    "to be compiled here, and mrun runs no compiler for a model",
                    libraries.size()),
        "compile it with torch._inductor.aoti_compile_and_package where a compiler is");
  if (names.contains(k_pickled_weights))
    return unsupported("the package keeps its weights beside its code, as pickled tensors", k_weights_hint);
  if (metadata == nullptr)
    return fail(ErrorCode::load_failed, "the package is damaged: it does not say what it was compiled for");
  package.model = std::string(*models.begin());
  package.library = std::string(libraries.front());
  MRUN_TRY(read_metadata(archive, metadata->name, package));
  return package;
}

tl::unexpected<Error> refuse_without_weights() {
  return unsupported("the package was compiled without its weights, and none lie beside its code",
                     k_weights_hint);
}

bool cpu_has([[maybe_unused]] std::string_view feature) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  // The builtin takes literals only.
#define MRUN_FEATURE(name)                                                                                   \
  if (feature == name) return __builtin_cpu_supports(name) != 0
  MRUN_FEATURE("avx2");
  MRUN_FEATURE("fma");
  MRUN_FEATURE("f16c");
  MRUN_FEATURE("avx512f");
  MRUN_FEATURE("avx512dq");
  MRUN_FEATURE("avx512vl");
  MRUN_FEATURE("avx512bw");
  MRUN_FEATURE("avx512vnni");
  MRUN_FEATURE("avx512bf16");
  MRUN_FEATURE("amx-tile");
#undef MRUN_FEATURE
#endif
  return false;
}

Result<void> check_machine(const AotiPackage& package, const HasFeature& has) {
  struct utsname here {};
  if (::uname(&here) != 0) return fail(ErrorCode::internal, "uname failed");
  if (package.platform != "linux" || package.machine != here.machine)
    return unsupported(fmt::format("the package was compiled for {} on {}, this machine is linux on {}",
                                   printable(package.platform, 40), printable(package.machine, 40),
                                   here.machine),
                       "compile it again on a machine like this one");
  for (const std::string_view word : split(package.cpu_isa, ' ')) {
    if (word.empty() || word == "INVALID_VEC_ISA") continue;
    const auto* row = std::ranges::find(k_isas, word, &IsaRow::name);
    if (row == k_isas.end())
      return unsupported(fmt::format("the package was compiled for `{}`, which this version does not know",
                                     printable(word, 40)),
                         "compile it with ATEN_CPU_CAPABILITY=avx2");
    for (const std::string_view feature : row->features)
      if (!feature.empty() && !has(feature))
        return unsupported(
            fmt::format("the package was compiled for {}, and this processor lacks {}", word, feature),
            "compile it again on this machine, or with ATEN_CPU_CAPABILITY=avx2");
  }
  return {};
}

} // namespace mrun::torch_engine
