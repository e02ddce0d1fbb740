#include "runtime/engines/torch/run_options.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "common/text.h"

namespace mrun::torch_engine {
namespace {

namespace dom = simdjson::dom;

Result<void> read_option(std::string_view key, dom::element value, RunOptions& options) {
  if (key == "native_code") return {}; // the bundle's own word, which counts for the daemon only
  if (key == "operators" && value.is_array()) {
    for (const dom::element path : value.get_array())
      if (path.is_string()) options.operators.emplace_back(std::string_view(path));
    return {};
  }
  if (key != "dtype")
    return fail(ErrorCode::engine_unsupported,
                fmt::format("the torch engine has no option `{}`", printable(key, 60)),
                "`options:` of mrun.yaml takes dtype, native_code and operators");
  std::string_view dtype;
  if (value.get(dtype) != simdjson::SUCCESS || (dtype != "f32" && dtype != "bf16"))
    return fail(ErrorCode::engine_unsupported, "the option `dtype` is neither f32 nor bf16");
  options.bf16 = dtype == "bf16";
  return {};
}

} // namespace

// simdjson, since the spec lists every piece of every file, and each load reads it.
Result<RunOptions> read_run_options(std::string_view spec_json) {
  RunOptions options;
  if (spec_json.empty()) return options;
  try {
    dom::parser parser;
    const dom::element spec = parser.parse(spec_json.data(), spec_json.size());
    bool consent = false;
    options.native_code = spec["native_code"].get(consent) == simdjson::SUCCESS && consent;
    dom::object given;
    if (spec["manifest"]["options"].get(given) != simdjson::SUCCESS) return options;
    for (const auto [key, value] : given)
      MRUN_TRY(read_option(key, value, options));
  } catch (const simdjson::simdjson_error& error) {
    return fail(ErrorCode::load_failed, fmt::format("the model spec is damaged: {}", error.what()));
  }
  return options;
}

} // namespace mrun::torch_engine
