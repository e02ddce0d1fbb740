#include "cli/render/file_report_text.h"

#include <fmt/format.h>

#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_shown_operators = 40;

std::string kind_words(const std::string& kind) {
  if (kind == "exported_program") return "exported program (torch.export), engine `torch`";
  if (kind == "torchscript") return "TorchScript (torch.jit.save), engine `torch`";
  if (kind == "aot_inductor") return "AOTInductor package, engine `torch`";
  if (kind == "safetensors") return "safetensors: weights without a program";
  if (kind == "gguf") return "GGUF, engine `transformer`";
  if (kind == "pickled_tensors") return "pickled tensors (torch.save), not a program";
  if (kind == "old_export") return "exported program of a torch before 2.8";
  return "a ZIP archive";
}

// An empty text for what is not there.
std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string shape_words(const Json& value) {
  const auto shape = value.find("shape");
  if (shape == value.end() || !shape->is_array()) return "";
  std::string text = "[";
  for (const Json& size : *shape)
    text += fmt::format("{}{}", text.size() > 1 ? ", " : "",
                        size.is_string() ? size.get<std::string>() : size.dump());
  return text + "]";
}

std::string value_table(const Json& values) {
  Table table;
  for (const Json& value : values) {
    const std::string dtype = text_of(value, "dtype");
    table.rows.push_back({"  " + value["name"].get<std::string>(),
                          dtype.empty() ? text_of(value, "type") : dtype, shape_words(value)});
  }
  table.header = {"  NAME", "TYPE", "SHAPE"};
  return render_table(table);
}

std::string symbol_words(const Json& symbols) {
  std::string text;
  const auto bound = [](const Json& range, const char* key) {
    return range[key].is_null() ? std::string("any") : range[key].dump();
  };
  for (const auto& [symbol, range] : symbols.items())
    text += fmt::format("  {}: {} to {}\n", symbol, bound(range, "min"), bound(range, "max"));
  return text;
}

std::string operator_table(const Json& operators) {
  Table table{{"  OPERATOR", "NODES", ""}, {}, {1}};
  std::size_t shown = 0, missing = 0;
  for (const Json& one : operators["list"]) {
    const bool available = one["available"].get<bool>();
    missing += available ? 0 : 1;
    if (available && shown >= k_shown_operators) continue;
    ++shown;
    table.rows.push_back(
        {"  " + one["name"].get<std::string>(), one["count"].dump(), available ? "" : "missing here"});
  }
  const std::size_t all = operators["list"].size();
  return fmt::format("\nOperators ({} nodes, {}{})\n{}{}", operators["total"].dump(),
                     count_words(all, "operator"),
                     missing > 0 ? fmt::format(", {} missing here", missing) : "", render_table(table),
                     shown < all ? fmt::format("  and {} more: --json\n", all - shown) : "");
}

std::string weight_words(const Json& weights) {
  std::string dtypes;
  if (weights["dtypes"].is_object())
    for (const auto& [name, sum] : weights["dtypes"].items())
      dtypes += fmt::format("{}{} {}", dtypes.empty() ? ": " : ", ", name,
                            format_bytes(sum["size_bytes"].get<std::uint64_t>()));
  return fmt::format("  {:<9}{}, {}{}\n", "weights",
                     count_words(weights["count"].get<std::size_t>(), "tensor"),
                     format_bytes(weights["size_bytes"].get<std::uint64_t>()), dtypes);
}

std::string native_words(const Json& native) {
  std::string text = fmt::format("  {:<9}{}, {} {}", "made for", text_of(native, "device"),
                                 text_of(native, "platform"), text_of(native, "machine"));
  for (const char* key : {"cpu_isa", "compute_capability"})
    if (const std::string value = text_of(native, key); !value.empty()) text += ", " + value;
  return text + (native["runs_here"].get<bool>() ? "\n" : ": not this machine\n");
}

std::string problem_list(const Json& problems, std::string_view title, const Terminal& terminal) {
  if (problems.empty()) return {};
  std::string text = fmt::format("\n{}\n", terminal.paint_out(Style::note, title));
  for (const Json& problem : problems) {
    text += fmt::format("  {}\n", problem["message"].get<std::string>());
    if (const std::string source = text_of(problem, "source"); !source.empty())
      text += fmt::format("    at {}\n", source);
    if (const std::string hint = text_of(problem, "hint"); !hint.empty())
      text += fmt::format("    help: {}\n", hint);
  }
  return text;
}

} // namespace

std::string file_report_text(const Terminal& terminal, const Json& report) {
  std::string text = fmt::format("{}\n  {:<9}{}\n  {:<9}{}\n", printable(text_of(report, "file"), 300),
                                 "kind", kind_words(text_of(report, "kind")), "size",
                                 format_bytes(report["size_bytes"].get<std::uint64_t>()));
  if (const std::string version = text_of(report, "torch_version"); !version.empty())
    text += fmt::format("  {:<9}{}, schema {}\n", "torch", version, text_of(report, "schema_version"));
  if (report.contains("metadata"))
    for (const auto& [key, value] : report["metadata"].items())
      text += fmt::format("  {}: {}\n", key, value.get<std::string>());
  if (report["weights"].is_object()) text += weight_words(report["weights"]);
  if (report.contains("native")) text += native_words(report["native"]);
  text += fmt::format("  {:<9}{}\n", "code",
                      report["native_code"].get<bool>() ? "native: from elsewhere it runs only after --trust"
                                                        : "none of its own");
  if (!report["inputs"].empty()) text += "\nInputs\n" + value_table(report["inputs"]);
  if (report.contains("symbols") && !report["symbols"].empty())
    text += "\nSizes\n" + symbol_words(report["symbols"]);
  if (report.contains("guards") && !report["guards"].empty()) {
    text += "\nConditions\n";
    for (const Json& guard : report["guards"])
      text += fmt::format("  {}\n", printable(guard.get<std::string>(), 200));
  }
  if (!report["outputs"].empty()) text += "\nOutputs\n" + value_table(report["outputs"]);
  if (report.contains("output_tree") && report["output_tree"].is_structured())
    text += fmt::format("  as {}\n", report["output_tree"].dump());
  if (const std::string result = text_of(report, "result_type"); !result.empty())
    text += fmt::format("\nOutput\n  {}\n", result);
  if (report["operators"].is_object()) text += operator_table(report["operators"]);
  text += problem_list(report.value("problems", Json::array()), "It can't run here:", terminal);
  text += problem_list(report.value("cpu_problems", Json::array()), "It can't run on a CPU:", terminal);
  return text;
}

} // namespace mrun::cli
