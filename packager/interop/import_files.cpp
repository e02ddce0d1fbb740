#include "packager/interop/import_files.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/limits.h"
#include "common/text.h"
#include "packager/bundle_format.h"

namespace mrun {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t k_max_entries_seen = 1'000'000;
constexpr std::size_t k_max_folder_depth = 16;
constexpr std::string_view k_repository_prefix = "models--";

// Where a folder lies in the Hugging Face cache (huggingface_hub: file_download.py).
struct CachePlace {
  fs::path repository; // …/models--OWNER--NAME
  std::string inside;  // snapshots/REV
  std::string owner, name;
};

std::optional<CachePlace> find_cache_place(const fs::path& folder) {
  const fs::path snapshots = folder.parent_path();
  const std::string repository = snapshots.parent_path().filename().string();
  if (snapshots.filename() != "snapshots" || !repository.starts_with(k_repository_prefix))
    return std::nullopt;
  const std::string full = repository.substr(k_repository_prefix.size());
  const std::size_t dashes = full.find("--");
  CachePlace place{snapshots.parent_path(), "snapshots/" + folder.filename().string(), "", full};
  if (dashes == std::string::npos) return place;
  place.owner = full.substr(0, dashes);
  place.name = full.substr(dashes + 2);
  return place;
}

// models--OWNER--NAME itself means the snapshot of its main branch.
fs::path resolve_repository(const fs::path& folder) {
  if (!folder.filename().string().starts_with(k_repository_prefix)) return folder;
  const auto revision = read_file((folder / "refs/main").string(), 256, ErrorCode::io, ErrorCode::io);
  if (!revision) return folder;
  const std::string name(trim(*revision));
  const bool plain = !name.empty() && name.find('/') == std::string::npos && !name.starts_with('.');
  return plain ? folder / "snapshots" / name : folder;
}

Result<UniqueFd> open_folder(const fs::path& folder) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) return fd;
  return fail_errno(ErrorCode::io, errno, fmt::format("can't open {}", printable(folder.string())));
}

class FolderWalk {
 public:
  // `top`: the folder to walk, below `folder_fd`; "" is that itself. `links`: into blobs/ they are followed.
  FolderWalk(int folder_fd, std::string top, bool links)
      : m_folder(folder_fd),
        m_top(std::move(top)),
        m_links(links) {}

  Result<std::vector<SelectedFile>> run() {
    std::vector<std::string> pending = {""};
    while (!pending.empty()) {
      const std::string folder = std::move(pending.back());
      pending.pop_back();
      MRUN_TRY(read_folder(folder, pending));
    }
    std::ranges::sort(m_files, {}, &SelectedFile::path);
    return std::move(m_files);
  }

  // The file at `path` below the top.
  Result<SelectedFile> look(const std::string& path) {
    MRUN_ASSIGN(SafePath safe, SafePath::parse(path));
    std::string place = below_top(path);
    MRUN_ASSIGN(struct stat status, status_of(place));
    if (S_ISLNK(status.st_mode)) {
      MRUN_ASSIGN(place, follow(place));
      MRUN_ASSIGN(status, status_of(place));
    }
    if (!S_ISREG(status.st_mode))
      return fail(ErrorCode::pack_file_refused, fmt::format("{} is no regular file", printable(path)));
    return SelectedFile{std::move(safe), static_cast<std::uint64_t>(status.st_size),
                        place == path ? "" : place};
  }

 private:
  std::string below_top(const std::string& path) const {
    if (m_top.empty()) return path.empty() ? "." : path;
    return path.empty() ? m_top : m_top + "/" + path;
  }

  Result<struct stat> status_of(const std::string& place) const {
    struct stat status {};
    if (::fstatat(m_folder, place.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
    if (errno == ENOENT)
      return fail(ErrorCode::pack_file_missing, fmt::format("the file {} is not there", printable(place)),
                  "download the model again: a part of it is missing");
    return fail_errno(ErrorCode::io, errno, fmt::format("can't look at {}", printable(place)));
  }

  Result<void> read_folder(const std::string& folder, std::vector<std::string>& pending) {
    FileSystem& file_system = real_file_system();
    MRUN_ASSIGN(const UniqueFd fd, file_system.open(m_folder, below_top(folder), O_RDONLY | O_DIRECTORY, 0));
    MRUN_ASSIGN(const std::vector<std::string> names, file_system.list(fd.get()));
    for (const std::string& name : names) {
      if (++m_seen > k_max_entries_seen || m_files.size() >= k_max_bundle_files)
        return fail(ErrorCode::manifest_limit, "the folder has too many files to be a model");
      if (name.starts_with('.')) continue; // .git, .cache, .gitattributes
      const std::string path = folder.empty() ? name : folder + "/" + name;
      MRUN_ASSIGN(const struct stat status, status_of(below_top(path)));
      if (S_ISDIR(status.st_mode)) {
        const auto depth = static_cast<std::size_t>(std::ranges::count(path, '/'));
        if (depth >= k_max_folder_depth)
          return fail(ErrorCode::manifest_limit, fmt::format("folder {} is more than {} levels deep",
                                                             printable(path), k_max_folder_depth));
        pending.push_back(path);
        continue;
      }
      MRUN_ASSIGN(SelectedFile file, look(path));
      m_files.push_back(std::move(file));
    }
    return {};
  }

  // The cache's links are ../../blobs/HASH, with one more ../ for each folder. Nothing else is followed.
  Result<std::string> follow(const std::string& place) const {
    std::string target(k_max_path_bytes, '\0');
    const ssize_t length = ::readlinkat(m_folder, place.c_str(), target.data(), target.size());
    target.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    const std::string resolved = (fs::path(place).parent_path() / target).lexically_normal().string();
    const bool inside = m_links && resolved.starts_with("blobs/") && std::ranges::count(resolved, '/') == 1 &&
                        SafePath::parse(resolved);
    if (inside) return resolved;
    return fail(
        ErrorCode::pack_file_refused,
        fmt::format("{} is a symbolic link to {}", printable(place), printable(target)),
        "links are followed in the Hugging Face cache only (models--OWNER--NAME/snapshots/REV): copy the "
        "folder with `cp -rL`, and import the copy");
  }

  int m_folder;
  std::string m_top;
  bool m_links;
  std::vector<SelectedFile> m_files;
  std::size_t m_seen = 0;
};

// What a folder is called by its place, and the walk over it.
struct OpenPlace {
  FoundFiles found;
  std::string top;
  bool links = false;
};

Result<OpenPlace> open_place(const fs::path& folder) {
  OpenPlace place;
  const std::optional<CachePlace> cache = find_cache_place(folder);
  MRUN_ASSIGN(place.found.folder, open_folder(cache ? cache->repository : folder));
  place.top = cache ? cache->inside : "";
  place.links = cache.has_value();
  place.found.owner = cache ? cache->owner : "";
  place.found.name = cache ? cache->name : folder.filename().string();
  return place;
}

Result<fs::path> whole_path(const fs::path& path) {
  std::error_code error;
  fs::path whole = fs::absolute(path, error).lexically_normal();
  if (error) return fail_errno(ErrorCode::io, error.value(), fmt::format("can't find {}", path.string()));
  return whole.has_filename() ? whole : whole.parent_path(); // a trailing slash
}

// model-00002-of-00003.gguf: {model, 3}.
struct Parts {
  std::string stem;
  int count = 0;
};
std::optional<Parts> parts_of(const std::string& name) {
  constexpr std::string_view shape = "-00001-of-00001.gguf";
  if (name.size() <= shape.size()) return std::nullopt;
  const std::string tail = name.substr(name.size() - shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool digit_place = shape[i] >= '0' && shape[i] <= '9';
    if (digit_place ? tail[i] < '0' || tail[i] > '9' : tail[i] != shape[i]) return std::nullopt;
  }
  Parts parts{name.substr(0, name.size() - shape.size()), 0};
  std::from_chars(tail.data() + 10, tail.data() + 15, parts.count);
  return parts;
}

} // namespace

Result<FoundFiles> find_folder(const fs::path& folder) {
  MRUN_ASSIGN(const fs::path whole, whole_path(folder));
  MRUN_ASSIGN(OpenPlace place, open_place(resolve_repository(whole)));
  MRUN_ASSIGN(place.found.files, FolderWalk(place.found.folder.get(), place.top, place.links).run());
  return std::move(place.found);
}

Result<FoundFiles> find_gguf(const fs::path& file) {
  MRUN_ASSIGN(const fs::path whole, whole_path(file));
  MRUN_ASSIGN(OpenPlace place, open_place(whole.parent_path()));
  const std::string name = whole.filename().string();
  place.found.name = whole.stem().string();
  std::vector<std::string> names = {name};
  if (const std::optional<Parts> parts = parts_of(name)) {
    place.found.name = parts->stem;
    names.clear();
    for (int i = 1; i <= parts->count; ++i)
      names.push_back(fmt::format("{}-{:05}-of-{:05}.gguf", parts->stem, i, parts->count));
  }
  FolderWalk walk(place.found.folder.get(), place.top, place.links);
  for (const std::string& one : names) {
    MRUN_ASSIGN(SelectedFile selected, walk.look(one));
    place.found.files.push_back(std::move(selected));
  }
  return std::move(place.found);
}

} // namespace mrun
