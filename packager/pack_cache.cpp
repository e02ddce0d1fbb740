#include "packager/pack_cache.h"

#include <algorithm>
#include <array>
#include <chrono>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/replace_file.h"
#include "packager/cut/cut_plan.h"

namespace mrun {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t k_max_notes_bytes = 64 * k_mib;
constexpr std::int64_t k_fresh_ns = 100'000'000; // coarser than any tick of a file system's clock
constexpr std::chrono::hours k_lifetime{24 * 30};
constexpr std::string_view k_schema = "mrun.pack-notes/v1";

std::int64_t ns_of(const timespec& time) {
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

// Whether this machine's clock gives the times of the folder's files.
bool is_local(int folder) {
  constexpr std::array<std::uint64_t, 6> k_local = {EXT4_SUPER_MAGIC,      XFS_SUPER_MAGIC,
                                                    BTRFS_SUPER_MAGIC,     TMPFS_MAGIC,
                                                    OVERLAYFS_SUPER_MAGIC, F2FS_SUPER_MAGIC};
  struct statfs status {};
  if (::fstatfs(folder, &status) < 0) return false;
  const auto type = static_cast<std::uint64_t>(status.f_type);
  return std::find(k_local.begin(), k_local.end(), type) != k_local.end();
}

Json claims_json(const std::vector<BlobClaim>& claims) {
  Json out = Json::array();
  for (const BlobClaim& claim : claims)
    out.push_back({claim.digest.hex(), claim.size});
  return out;
}

// [hex, number…] with `numbers` numbers.
std::optional<Digest> row(const Json& json, std::size_t numbers) {
  if (!json.is_array() || json.size() != numbers + 1 || !json[0].is_string()) return std::nullopt;
  for (std::size_t i = 1; i <= numbers; ++i)
    if (!json[i].is_number_unsigned()) return std::nullopt;
  const auto digest = Digest::parse_hex(json[0].get<std::string>());
  return digest ? std::optional<Digest>(*digest) : std::nullopt;
}

void remove_old(const fs::path& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.last_write_time(ignored) < fs::file_time_type::clock::now() - k_lifetime)
      fs::remove(entry.path(), ignored);
}

} // namespace

PackCache::PackCache(fs::path folder, int model) : m_started_ns(system_clock().wall_ns()) {
  struct stat status {};
  if (folder.empty() || ::fstat(model, &status) < 0 || !is_local(model)) return;
  m_file = std::move(folder) / fmt::format("{}-{}.json", status.st_dev, status.st_ino);
  read();
}

PackCache::Entry PackCache::entry_of(const struct stat& status, int scale) {
  return {status.st_dev,
          status.st_ino,
          static_cast<std::uint64_t>(status.st_size),
          ns_of(status.st_mtim),
          ns_of(status.st_ctim),
          scale,
          {}};
}

bool PackCache::same_file(const Entry& a, const Entry& b) {
  return a.device == b.device && a.inode == b.inode && a.size == b.size && a.mtime_ns == b.mtime_ns &&
         a.ctime_ns == b.ctime_ns && a.scale == b.scale;
}

void PackCache::read() {
  const UniqueFd fd(::open(m_file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return;
  const auto text = read_all(fd.get(), k_max_notes_bytes, "the notes of the last pack", ErrorCode::io);
  if (!text) return;
  auto root = parse_json(*text, ErrorCode::io, "the notes of the last pack", {k_max_notes_bytes, 8});
  if (!root || !root->is_object()) return;
  Json& notes = *root;
  if (notes["schema"] != k_schema || notes["cut"] != k_cut_rule || !notes["written_ns"].is_number_integer() ||
      !notes["files"].is_array())
    return;
  m_written_ns = notes["written_ns"].get<std::int64_t>();
  for (const Json& entry : notes["files"])
    if (!read_entry(entry)) return m_old.clear();
}

bool PackCache::read_entry(const Json& json) {
  if (!json.is_object() || !json.contains("path") || !json["path"].is_string()) return false;
  const auto number = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_number_integer() ? found->get<std::int64_t>() : -1;
  };
  Entry entry;
  entry.device = static_cast<std::uint64_t>(number("device"));
  entry.inode = static_cast<std::uint64_t>(number("inode"));
  entry.size = static_cast<std::uint64_t>(number("size"));
  entry.mtime_ns = number("mtime_ns");
  entry.ctime_ns = number("ctime_ns");
  entry.scale = static_cast<int>(number("scale"));
  const auto segments = json.find("segments"), pieces = json.find("pieces");
  if (segments == json.end() || pieces == json.end()) return false;
  std::uint64_t sum = 0;
  for (const Json& part : *segments) {
    const auto digest = row(part, 2);
    if (!digest) return false;
    entry.note.segments.push_back({*digest, part[1].get<std::uint64_t>(), part[2].get<std::uint64_t>()});
    if (__builtin_add_overflow(sum, entry.note.segments.back().length, &sum)) return false;
  }
  for (const Json& part : *pieces) {
    const auto digest = row(part, 1);
    if (!digest) return false;
    entry.note.pieces.push_back({*digest, part[1].get<std::uint64_t>()});
  }
  if (sum != entry.size) return false;
  m_old.emplace(json["path"].get<std::string>(), std::move(entry));
  return true;
}

std::optional<PackNote> PackCache::find(const std::string& path, const struct stat& status, int scale) const {
  const auto found = m_old.find(path);
  if (found == m_old.end() || !same_file(found->second, entry_of(status, scale))) return std::nullopt;
  return found->second.note;
}

void PackCache::note(const std::string& path, const struct stat& status, int scale, PackNote note) {
  Entry entry = entry_of(status, scale);
  if (m_file.empty() || entry.ctime_ns > m_started_ns - k_fresh_ns) return;
  entry.note = std::move(note);
  const std::scoped_lock lock(m_mutex);
  m_new.insert_or_assign(path, std::move(entry));
}

void PackCache::save() const {
  if (m_file.empty()) return;
  const std::scoped_lock lock(m_mutex);
  Json files = Json::array();
  for (const auto& [path, entry] : m_new) {
    Json segments = Json::array();
    for (const Segment& segment : entry.note.segments)
      segments.push_back({segment.blob.hex(), segment.offset, segment.length});
    files.push_back({{"path", path},
                     {"device", entry.device},
                     {"inode", entry.inode},
                     {"size", entry.size},
                     {"mtime_ns", entry.mtime_ns},
                     {"ctime_ns", entry.ctime_ns},
                     {"scale", entry.scale},
                     {"segments", std::move(segments)},
                     {"pieces", claims_json(entry.note.pieces)}});
  }
  const std::string text = canonical_json({{"schema", k_schema},
                                           {"cut", k_cut_rule},
                                           {"written_ns", system_clock().wall_ns()},
                                           {"files", std::move(files)}});
  std::error_code ignored;
  fs::create_directories(m_file.parent_path(), ignored);
  remove_old(m_file.parent_path());
  // A note that a crash takes or cuts off is none.
  (void)replace_file(m_file, text, 0600, Durable::no, ErrorCode::io);
}

} // namespace mrun
