#include "cli/render/diff_text.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_most_tensors = 20;

std::string_view format_name(WeightFormat format) {
  switch (format) {
  case WeightFormat::safetensors:
    return "safetensors";
  case WeightFormat::gguf:
    return "gguf";
  case WeightFormat::zip:
    return "zip";
  }
  invariant_broken("every format has a name", __FILE__, __LINE__);
}

// "F32 [30522, 384]", or the size where the format has no types.
std::string tensor_words(const TensorPlace& tensor) {
  if (tensor.dtype.empty()) return format_bytes(tensor.size_bytes);
  return fmt::format("{} [{}]", printable(tensor.dtype, 20), fmt::join(tensor.shape, ", "));
}

std::string tensor_line(const TensorChange& change) {
  std::string words = change.after ? tensor_words(*change.after) : tensor_words(*change.before);
  if (change.before && change.after && tensor_words(*change.before) != words)
    words += ", was " + tensor_words(*change.before);
  return fmt::format("      {:<9} {}  {}\n", tensor_change_name(change.kind), printable(change.name, 200),
                     words);
}

std::string tensors_text(const TensorDiff& diff, bool all) {
  std::string text;
  const std::size_t shown = all ? diff.changes.size() : std::min(diff.changes.size(), k_most_tensors);
  for (std::size_t i = 0; i < shown; ++i)
    text += tensor_line(diff.changes[i]);
  if (shown < diff.changes.size())
    text += fmt::format("      … and {} more (-v shows all)\n", diff.changes.size() - shown);
  if (diff.changes.empty()) text += "      every tensor is the same: only what lies around them changed\n";
  if (diff.same_count > 0)
    text += fmt::format("      {} the same, {}\n", count_words(diff.same_count, "tensor"),
                        format_bytes(diff.same_bytes));
  return text;
}

std::string file_line(const FileChange& change) {
  std::string words;
  if (change.kind == FileChangeKind::mode ||
      (change.before && change.after && change.before->mode != change.after->mode))
    words = fmt::format("mode {:o}, was {:o}", change.after->mode, change.before->mode);
  if (change.kind != FileChangeKind::mode) {
    const BundleFile& file = change.after ? *change.after : *change.before;
    const std::string size = format_bytes(file.size);
    const bool resized = change.before && change.after && change.before->size != change.after->size;
    words = size + (resized ? ", was " + format_bytes(change.before->size) : "") +
            (words.empty() ? "" : ", " + words);
  }
  return fmt::format("  {:<9} {}  {}\n", file_change_name(change.kind), change.path.text(), words);
}

Json tensor_json(const std::optional<TensorPlace>& tensor) {
  if (!tensor) return nullptr;
  return {{"dtype", tensor->dtype.empty() ? Json(nullptr) : Json(tensor->dtype)},
          {"shape", tensor->dtype.empty() ? Json(nullptr) : Json(tensor->shape)},
          {"size_bytes", tensor->size_bytes}};
}

Json file_json(const std::optional<BundleFile>& file) {
  if (!file) return nullptr;
  return {{"size_bytes", file->size}, {"mode", file->mode}};
}

Json tensors_json(const std::optional<TensorDiff>& diff) {
  if (!diff) return nullptr;
  Json changes = Json::array();
  for (const TensorChange& change : diff->changes)
    changes.push_back({{"name", change.name},
                       {"change", tensor_change_name(change.kind)},
                       {"before", tensor_json(change.before)},
                       {"after", tensor_json(change.after)}});
  return {{"format", format_name(diff->format)},
          {"changes", std::move(changes)},
          {"same_count", diff->same_count},
          {"same_bytes", diff->same_bytes}};
}

} // namespace

std::string diff_text(const Terminal& terminal, const BundleDiff& diff, bool all) {
  std::string text;
  if (!diff.schema.empty()) text += "Schema\n";
  for (const SchemaChange& change : diff.schema)
    text +=
        fmt::format("  {} {}: {}\n",
                    change.breaks ? terminal.paint_out(Style::error, "breaks   ") : std::string("         "),
                    change.place, change.words);
  if (!diff.facts.empty()) text += "Manifest\n";
  for (const FactChange& change : diff.facts)
    text +=
        fmt::format("  {}: {}, was {}\n", change.key, change.after.empty() ? "none" : printable(change.after),
                    change.before.empty() ? "none" : printable(change.before));
  if (!diff.files.empty()) text += "Files\n";
  for (const FileChange& change : diff.files)
    text += file_line(change) + (change.tensors ? tensors_text(*change.tensors, all) : "");
  return text;
}

std::string diff_summary(const BundleDiff& diff) {
  if (!diff.differs()) return "no difference";
  const auto breaking = static_cast<std::size_t>(std::ranges::count_if(diff.schema, &SchemaChange::breaks));
  if (breaking == 0) return "nothing breaks callers";
  return fmt::format("{} break{} callers", count_words(breaking, "change"), breaking == 1 ? "s" : "");
}

Json diff_json(const Bundle& before, const Bundle& after, const BundleDiff& diff) {
  Json files = Json::array();
  for (const FileChange& change : diff.files)
    files.push_back({{"path", change.path.text()},
                     {"change", file_change_name(change.kind)},
                     {"before", file_json(change.before)},
                     {"after", file_json(change.after)},
                     {"tensors", tensors_json(change.tensors)}});
  Json schema = Json::array();
  for (const SchemaChange& change : diff.schema)
    schema.push_back({{"place", change.place},
                      {"aspect", schema_aspect_name(change.aspect)},
                      {"breaks", change.breaks},
                      {"message", change.words}});
  Json facts = Json::array();
  for (const FactChange& change : diff.facts)
    facts.push_back({{"key", change.key}, {"before", change.before}, {"after", change.after}});
  return {{"schema", "mrun.diff/v1"},
          {"before", before.digest.text()},
          {"after", after.digest.text()},
          {"differs", diff.differs()},
          {"breaks_callers", diff.breaks()},
          {"schema_changes", std::move(schema)},
          {"manifest_changes", std::move(facts)},
          {"files", std::move(files)},
          {"same_files", diff.same_files}};
}

} // namespace mrun::cli
