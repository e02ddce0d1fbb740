#include "packager/store_index.h"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "common/limits.h"
#include "packager/bundle_format.h"
#include "packager/reference.h"

namespace mrun {
namespace {

constexpr const char* k_ref_name = "org.opencontainers.image.ref.name";
constexpr const char* k_model_name = "run.mrun.model";
constexpr const char* k_size = "run.mrun.size_bytes";
constexpr const char* k_created = "run.mrun.created_ns";
constexpr const char* k_engine = "run.mrun.engine";
constexpr const char* k_origin = "run.mrun.origin";
constexpr const char* k_source = "run.mrun.source_digest";
constexpr const char* k_subject = "run.mrun.subject";
constexpr const char* k_kept = "run.mrun.kept";

// Annotations that are left out when they are empty.
constexpr std::pair<const char*, std::string IndexEntry::*> k_texts[] = {
    {k_engine, &IndexEntry::engine}, {k_origin, &IndexEntry::origin}, {k_source, &IndexEntry::source}};

auto order(const IndexEntry& entry) {
  return std::tie(entry.model, entry.tag, entry.digest);
}

template<class T>
T number_annotation(const Json& annotations, const char* key) {
  T value = 0;
  const auto found = annotations.find(key);
  if (found == annotations.end() || !found->is_string()) return value;
  const std::string& text = found->get_ref<const std::string&>();
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// owner/name:tag, as `skopeo` and `oras` show it. Names of other tools that are none of ours keep their
// entry.
void read_name(const Json& annotations, IndexEntry& entry) {
  if (const auto name = annotations.find(k_ref_name); name != annotations.end() && name->is_string()) {
    const Result<Reference> reference = Reference::parse(name->get_ref<const std::string&>());
    if (reference && reference->has_name() && !reference->digest && reference->digest_prefix.empty()) {
      entry.model = reference->model();
      entry.tag = reference->tag_or_default();
    }
    return;
  }
  if (const auto subject = annotations.find(k_subject);
      subject != annotations.end() && subject->is_string()) {
    if (const auto digest = Digest::parse(subject->get_ref<const std::string&>())) entry.subject = *digest;
    return;
  }
  if (const auto model = annotations.find(k_model_name); model != annotations.end() && model->is_string())
    entry.model = model->get<std::string>();
  const auto kept = annotations.find(k_kept);
  entry.is_kept = kept != annotations.end() && *kept == "true" && !entry.model.empty();
}

Result<IndexEntry> read_entry(const Json& value) {
  const std::string_view what = "index.json";
  if (!value.is_object()) return fail(ErrorCode::store_corrupt, "index.json: an entry is not an object");
  MRUN_ASSIGN(const std::string digest, need_string(value, "digest", ErrorCode::store_corrupt, what));
  const Result<Digest> parsed = Digest::parse(digest);
  if (!parsed) return fail(ErrorCode::store_corrupt, "index.json: " + parsed.error().message);
  MRUN_ASSIGN(const std::int64_t size, need_integer(value, "size", ErrorCode::store_corrupt, what));
  IndexEntry entry;
  entry.digest = *parsed;
  entry.manifest_size = size < 0 ? 0 : static_cast<std::uint64_t>(size);
  const auto annotations = value.find("annotations");
  if (annotations != value.end() && annotations->is_object()) {
    read_name(*annotations, entry);
    entry.size_bytes = number_annotation<std::uint64_t>(*annotations, k_size);
    entry.created_ns = number_annotation<std::int64_t>(*annotations, k_created);
    for (const auto& [key, member] : k_texts)
      if (const auto text = annotations->find(key); text != annotations->end() && text->is_string())
        entry.*member = text->get<std::string>();
  }
  if (entry.subject) {
    const auto type = value.find("artifactType");
    if (type != value.end() && type->is_string()) entry.artifact_type = type->get<std::string>();
  }
  if (annotations == value.end() || !annotations->contains(k_created)) entry.foreign = value;
  return entry;
}

Json entry_json(const IndexEntry& entry) {
  if (!entry.foreign.is_null()) return entry.foreign;
  Json annotations = {{k_created, std::to_string(entry.created_ns)}};
  if (!entry.subject) annotations[k_size] = std::to_string(entry.size_bytes);
  for (const auto& [key, member] : k_texts)
    if (!(entry.*member).empty()) annotations[key] = entry.*member;
  if (entry.subject)
    annotations[k_subject] = entry.subject->text();
  else if (entry.tag.empty())
    annotations[k_model_name] = entry.model;
  else
    annotations[k_ref_name] = entry.model + ":" + entry.tag;
  if (entry.is_kept) annotations[k_kept] = "true";
  return {{"mediaType", k_manifest_media_type},
          {"artifactType", entry.subject ? entry.artifact_type : std::string(k_artifact_type)},
          {"digest", entry.digest.text()},
          {"size", entry.manifest_size},
          {"annotations", std::move(annotations)}};
}

} // namespace

Result<StoreIndex> StoreIndex::parse(std::string_view text) {
  MRUN_ASSIGN(const Json root,
              parse_json(text, ErrorCode::store_corrupt, "index.json", {k_max_index_bytes, 32}));
  if (!root.is_object()) return fail(ErrorCode::store_corrupt, "index.json is not an object");
  const auto manifests = root.find("manifests");
  if (manifests == root.end() || !manifests->is_array())
    return fail(ErrorCode::store_corrupt, "index.json has no list `manifests`");
  StoreIndex index;
  index.entries.reserve(manifests->size());
  for (const Json& value : *manifests) {
    MRUN_ASSIGN(IndexEntry entry, read_entry(value));
    index.entries.push_back(std::move(entry));
  }
  std::sort(index.entries.begin(), index.entries.end(),
            [](const IndexEntry& a, const IndexEntry& b) { return order(a) < order(b); });
  return index;
}

std::string StoreIndex::encode() const {
  Json manifests = Json::array();
  for (const IndexEntry& entry : entries)
    manifests.push_back(entry_json(entry));
  return canonical_json(
      {{"schemaVersion", 2}, {"mediaType", k_index_media_type}, {"manifests", std::move(manifests)}});
}

const IndexEntry* StoreIndex::find_tag(std::string_view model, std::string_view tag) const {
  for (const IndexEntry& entry : entries)
    if (entry.model == model && entry.tag == tag) return &entry;
  return nullptr;
}

IndexEntry* StoreIndex::find_tag(std::string_view model, std::string_view tag) {
  return const_cast<IndexEntry*>(static_cast<const StoreIndex*>(this)->find_tag(model, tag));
}

bool StoreIndex::contains(const Digest& digest) const {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const IndexEntry& entry) { return entry.digest == digest; });
}

const IndexEntry* StoreIndex::find_kept(std::string_view model, const Digest& digest) const {
  for (const IndexEntry& entry : entries)
    if (entry.is_kept && entry.model == model && entry.digest == digest) return &entry;
  return nullptr;
}

void StoreIndex::put(IndexEntry entry) {
  if (entry.tag.empty() && find_kept(entry.model, entry.digest) != nullptr) entry.is_kept = true;
  std::erase_if(entries, [&](const IndexEntry& old) {
    if (!entry.tag.empty()) return old.model == entry.model && old.tag == entry.tag;
    return old.tag.empty() && old.digest == entry.digest && (!old.is_kept || old.model == entry.model);
  });
  const auto at =
      std::lower_bound(entries.begin(), entries.end(), entry,
                       [](const IndexEntry& a, const IndexEntry& b) { return order(a) < order(b); });
  entries.insert(at, std::move(entry));
}

} // namespace mrun
