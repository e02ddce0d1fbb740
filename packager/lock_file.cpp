#include "packager/lock_file.h"

#include <fmt/format.h>

#include "common/fd.h"
#include "common/replace_file.h"
#include "common/text.h"

namespace mrun {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view k_schema = "mrun.lock/v1";
constexpr std::size_t k_max_lock_file_bytes = 1 * k_mib;

tl::unexpected<Error> invalid(std::string_view file_name, std::string_view why) {
  return fail(ErrorCode::lock_invalid, fmt::format("{}: {}", printable(file_name, 200), why));
}

Result<LockEntry> parse_entry(std::string_view file_name, const std::string& name, const Json& json) {
  const auto reference = Reference::parse(name);
  if (!reference || !reference->has_name() || reference->digest || !reference->digest_prefix.empty() ||
      lock_key(*reference) != name)
    return invalid(file_name,
                   fmt::format("`{}` is not written as [host/]owner/name:tag", printable(name, 100)));
  const std::string what = fmt::format("{}: {}", printable(file_name, 200), printable(name, 100));
  if (!json.is_object() || json.size() != 2)
    return invalid(file_name, fmt::format("`{}` has not exactly `digest` and `size_bytes`", name));
  MRUN_ASSIGN(const std::string digest, need_string(json, "digest", ErrorCode::lock_invalid, what));
  MRUN_ASSIGN(const std::int64_t size, need_integer(json, "size_bytes", ErrorCode::lock_invalid, what));
  const auto parsed = Digest::parse(digest);
  if (!parsed || size < 0)
    return invalid(file_name, fmt::format("`{}` has no digest sha256:… and size", printable(name, 100)));
  return LockEntry{*parsed, static_cast<std::uint64_t>(size)};
}

} // namespace

const LockEntry* LockFile::find(const Reference& reference) const {
  const auto found = models.find(lock_key(reference));
  return found == models.end() ? nullptr : &found->second;
}

std::string lock_key(const Reference& reference) {
  return reference.model() + ":" + reference.tag_or_default();
}

Result<LockFile> parse_lock(std::string_view text, std::string_view file_name) {
  MRUN_ASSIGN(const Json root, parse_json(text, ErrorCode::lock_invalid, printable(file_name, 200),
                                          {k_max_lock_file_bytes, 8}));
  if (!root.is_object() || root.value("schema", Json()) != k_schema)
    return invalid(file_name, fmt::format("its `schema` is not {}", k_schema));
  const auto models = root.find("models");
  if (models == root.end() || !models->is_object() || root.size() != 2)
    return invalid(file_name, "it has not exactly `schema` and `models`");
  LockFile lock;
  for (const auto& [name, entry] : models->items()) {
    MRUN_ASSIGN(lock.models[name], parse_entry(file_name, name, entry));
  }
  return lock;
}

Json models_json(const LockFile& lock) {
  Json models = Json::object();
  for (const auto& [name, entry] : lock.models)
    models[name] = {{"digest", entry.digest.text()}, {"size_bytes", entry.size_bytes}};
  return models;
}

std::string encode_lock(const LockFile& lock) {
  // `models` before `schema`: keys are sorted everywhere
  return Json{{"schema", k_schema}, {"models", models_json(lock)}}.dump(2) + "\n";
}

std::optional<fs::path> find_lock_file(const fs::path& folder) {
  std::error_code ignored;
  for (fs::path at = fs::absolute(folder, ignored);; at = at.parent_path()) {
    if (fs::is_regular_file(at / k_lock_file_name, ignored)) return at / k_lock_file_name;
    if (at == at.parent_path()) return std::nullopt;
  }
}

Result<LockFile> read_lock_file(const fs::path& path) {
  MRUN_ASSIGN(const std::string text, read_file(path.string(), k_max_lock_file_bytes, ErrorCode::lock_invalid,
                                                ErrorCode::lock_invalid));
  return parse_lock(text, path.string());
}

Result<void> write_lock_file(const fs::path& path, const LockFile& lock) {
  return replace_file(path, encode_lock(lock), 0666, Durable::yes, ErrorCode::io);
}

} // namespace mrun
