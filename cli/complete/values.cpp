#include "cli/complete/values.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include <fmt/format.h>

#include "cli/predict/target.h"
#include "cli/render/model_text.h"
#include "common/limits.h"
#include "common/text.h"
#include "packager/reference.h"
#include "packager/remote_name.h"

namespace mrun::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t k_max_candidates = 2000; // nobody reads more
constexpr int k_shown_digits = 12;

std::vector<TagEntry> tags_here(const Context& context) {
  const auto store = open_store_to_read(context);
  if (!store) return {};
  return store->list().value_or(std::vector<TagEntry>());
}

std::string facts_of(const TagEntry& entry) {
  return entry.engine.empty() ? format_bytes(entry.size_bytes)
                              : fmt::format("{}, {}", entry.engine, format_bytes(entry.size_bytes));
}

Candidates complete_tag(const std::vector<TagEntry>& entries, std::string_view typed) {
  Candidates all;
  for (const TagEntry& entry : entries)
    if (!entry.tag.empty())
      add_if_fits(all, typed, {fmt::format("{}:{}", entry.model, entry.tag), facts_of(entry)});
  return all;
}

Candidates complete_version(const std::vector<TagEntry>& entries, std::string_view typed) {
  Candidates all;
  std::set<std::string> seen;
  for (const TagEntry& entry : entries) {
    std::string text = fmt::format("{}@{}", entry.model, entry.digest.hex().substr(0, k_shown_digits));
    if (!seen.insert(text).second) continue;
    add_if_fits(all, typed, {std::move(text), entry.tag.empty() ? "without a tag" : entry.tag});
  }
  return all;
}

std::optional<Manifest> manifest_of(const Context& context, std::string_view model) {
  if (is_directory_argument(model)) {
    std::ifstream file(fs::path(expand_home(std::string(model))) / "mrun.yaml");
    std::string text(k_max_manifest_bytes, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    auto manifest = parse_manifest(text, "mrun.yaml");
    return manifest ? std::optional(std::move(*manifest)) : std::nullopt;
  }
  const auto reference = Reference::parse(model);
  const auto store = open_store_to_read(context);
  if (!reference || !store) return std::nullopt;
  const auto digest = find_version(*store, *reference);
  auto bundle = digest ? store->load(*digest) : tl::unexpected<Error>(digest.error());
  return bundle ? std::optional(std::move(bundle->manifest)) : std::nullopt;
}

Candidates complete_input_value(const InputSpec& input, std::string_view before, std::string_view typed) {
  if (input.type.type == ValueType::file && typed.starts_with('@'))
    return complete_path(fmt::format("{}@", before), typed.substr(1), FileKind::any);
  Candidates all;
  const std::string whole = fmt::format("{}{}", before, typed);
  if (input.type.type == ValueType::file)
    add_if_fits(all, whole, {fmt::format("{}@", before), type_words(input.type), false});
  if (input.type.type == ValueType::boolean)
    for (const char* word : {"true", "false"})
      add_if_fits(all, whole, {fmt::format("{}{}", before, word)});
  for (const Json& choice : input.type.choices)
    add_if_fits(all, whole,
                {fmt::format("{}{}", before,
                             choice.is_string() ? choice.get<std::string>() : canonical_json(choice))});
  return all;
}

} // namespace

Candidates complete_model(const Context& context, std::string_view typed) {
  const std::vector<TagEntry> entries = tags_here(context);
  if (typed.find('@') != std::string_view::npos) return complete_version(entries, typed);
  if (typed.find(':') != std::string_view::npos) return complete_tag(entries, typed);
  std::map<std::string, std::vector<const TagEntry*>> models;
  for (const TagEntry& entry : entries)
    models[entry.model].push_back(&entry);
  Candidates all;
  for (const auto& [model, tags] : models) {
    const bool one = tags.size() == 1;
    add_if_fits(all, typed, {model, one ? facts_of(*tags[0]) : fmt::format("{} tags", tags.size()), one});
  }
  return all;
}

Candidates complete_remote(const Context& context, std::string_view typed) {
  std::set<std::string> origins;
  for (const TagEntry& entry : tags_here(context))
    if (entry.origin.find('/') != std::string::npos) origins.insert(entry.origin);
  Candidates all;
  for (const std::string& origin : origins)
    add_if_fits(all, typed, {origin, "pulled from there", false});
  return all;
}

Candidates complete_input(const Context& context, std::string_view model,
                          const std::vector<std::string>& given, std::string_view typed) {
  const std::optional<Manifest> manifest = manifest_of(context, model);
  if (!manifest) return {};
  Candidates all;
  for (const InputSpec& input : manifest->inputs) {
    const std::string before = input.name + "=";
    if (typed.starts_with(before)) return complete_input_value(input, before, typed.substr(before.size()));
    const auto same = [&](const std::string& other) {
      return other.starts_with(before) || other.starts_with(input.name + ":=");
    };
    if (std::ranges::none_of(given, same)) add_if_fits(all, typed, {before, type_words(input.type), false});
  }
  return all;
}

Candidates complete_path(std::string_view before, std::string_view typed, FileKind kind) {
  const std::size_t slash = typed.rfind('/');
  const std::string folder(slash == std::string_view::npos ? "" : typed.substr(0, slash + 1));
  const std::string_view begins = slash == std::string_view::npos ? typed : typed.substr(slash + 1);
  Candidates all;
  std::error_code error;
  fs::directory_iterator entry(folder.empty() ? "." : expand_home(folder), error);
  for (; !error && entry != fs::directory_iterator() && all.size() < k_max_candidates;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(begins) || (name.starts_with('.') && !begins.starts_with('.'))) continue;
    std::error_code ignored;
    const bool is_folder = entry->is_directory(ignored);
    if (kind == FileKind::folders && !is_folder) continue;
    all.push_back({fmt::format("{}{}{}{}", before, folder, name, is_folder ? "/" : ""), {}, !is_folder});
  }
  std::ranges::sort(all, {}, &Candidate::text);
  return all;
}

} // namespace mrun::cli
