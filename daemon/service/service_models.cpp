// Models and versions in Replicate's shapes, read from the store.
#include <algorithm>

#include <fmt/format.h>

#include "daemon/service/service_impl.h"
#include "packager/schema.h"

namespace mrun {
namespace {

Json version_object(const Bundle& bundle, std::int64_t created_ns) {
  return {{"id", bundle.digest.hex()},
          {"created_at", rfc3339_utc(created_ns)},
          {"cog_version", ""},
          {"openapi_schema", openapi_schema(bundle.manifest)}};
}

bool is_local_model(const std::string& model, const std::string& owner, const std::string& name) {
  return model == fmt::format("{}/{}", owner, name);
}

// The tag that stands for the model: `latest`, else the youngest.
const TagEntry* main_tag(const std::vector<TagEntry>& tags, const std::string& owner,
                         const std::string& name) {
  const TagEntry* best = nullptr;
  for (const TagEntry& tag : tags) {
    if (!is_local_model(tag.model, owner, name) || tag.tag.empty()) continue;
    if (best == nullptr || tag.tag == "latest" ||
        (best->tag != "latest" && tag.created_ns > best->created_ns))
      best = &tag;
  }
  return best;
}

using RunCounts = std::map<std::string, std::int64_t>;

Result<Json> model_object(const Store& store, const RunCounts& run_counts, const std::vector<TagEntry>& tags,
                          const std::string& owner, const std::string& name) {
  const TagEntry* tag = main_tag(tags, owner, name);
  if (tag == nullptr)
    return fail(ErrorCode::model_not_found, fmt::format("there is no model '{}/{}'", owner, name));
  MRUN_ASSIGN(const Bundle bundle, store.load(tag->digest));
  const auto runs = run_counts.find(tag->model);
  return Json{{"url", fmt::format("/{}", tag->model)},
              {"owner", owner},
              {"name", name},
              {"description", bundle.manifest.description},
              {"visibility", "private"},
              {"github_url", nullptr},
              {"paper_url", nullptr},
              {"license_url", nullptr},
              {"run_count", runs == run_counts.end() ? 0 : runs->second},
              {"cover_image_url", nullptr},
              {"default_example", nullptr},
              {"latest_version", version_object(bundle, tag->created_ns)}};
}

Result<Json> version_of(const Store& store, const std::string& owner, const std::string& name,
                        const std::string& id) {
  MRUN_ASSIGN(const Digest digest, Digest::parse_hex(id));
  MRUN_ASSIGN(const std::vector<TagEntry> tags, store.list());
  const auto tag = std::find_if(tags.begin(), tags.end(), [&](const TagEntry& entry) {
    return entry.digest == digest && is_local_model(entry.model, owner, name);
  });
  MRUN_ASSIGN(const Bundle bundle, store.load(digest));
  if (tag == tags.end() && !is_local_model(bundle.manifest.name, owner, name))
    return fail(ErrorCode::model_not_found,
                fmt::format("'{}/{}' has no version {}", owner, name, digest.short_hex()));
  return version_object(bundle, tag == tags.end() ? 0 : tag->created_ns);
}

Result<Json> model_list(const Store& store, const RunCounts& run_counts) {
  MRUN_ASSIGN(const std::vector<TagEntry> tags, store.list());
  Json models = Json::array();
  std::string last;
  for (const TagEntry& tag : tags) { // sorted by model
    const std::size_t slash = tag.model.rfind('/');
    if (tag.tag.empty() || tag.model == last || slash == std::string::npos) continue;
    last = tag.model;
    MRUN_ASSIGN(Json model, model_object(store, run_counts, tags, tag.model.substr(0, slash),
                                         tag.model.substr(slash + 1)));
    models.push_back(std::move(model));
  }
  return models;
}

} // namespace

void Service::model_json(const std::string& owner, const std::string& name, Callback<Json> done) {
  m_background.call<Json>(
      [this, run_counts = m_runs, owner, name](ReaderDatabase&) -> Result<Json> {
        MRUN_ASSIGN(const std::vector<TagEntry> tags, m_store.list());
        return model_object(m_store, run_counts, tags, owner, name);
      },
      std::move(done));
}

void Service::version_json(const std::string& owner, const std::string& name, const std::string& id,
                           Callback<Json> done) {
  m_background.call<Json>(
      [this, owner, name, id](ReaderDatabase&) { return version_of(m_store, owner, name, id); },
      std::move(done));
}

void Service::list_models_json(Callback<Json> done) {
  m_background.call<Json>(
      [this, run_counts = m_runs](ReaderDatabase&) { return model_list(m_store, run_counts); },
      std::move(done));
}

} // namespace mrun
