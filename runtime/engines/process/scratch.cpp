#include "runtime/engines/process/scratch.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/limits.h"
#include "common/text.h"

namespace mrun::process {
namespace {

constexpr std::string_view k_prefix = "scratch-";
constexpr int k_folder_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
constexpr std::size_t k_max_extension_bytes = 16;

tl::unexpected<Error> failed(const std::string& what) {
  return fail_errno(errno == ENOSPC || errno == EDQUOT ? ErrorCode::disk_full : ErrorCode::io, errno, what);
}

void remove_tree(const std::string& path) {
  std::error_code problem; // it is in the cache: what can't be removed now is tried again at the next load
  std::filesystem::remove_all(path, problem);
}

Result<std::string> path_of(int folder_fd) {
  std::error_code problem;
  const auto path = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", folder_fd), problem);
  if (problem) return fail(ErrorCode::io, "can't tell where the cache folder is: " + problem.message());
  return path.string();
}

// Those that nobody holds a lock on.
void remove_abandoned(int cache_fd, const std::string& cache_path) {
  const auto names = real_file_system().list(cache_fd);
  if (!names) return;
  for (const std::string& name : *names) {
    if (!name.starts_with(k_prefix)) continue;
    const UniqueFd folder(::openat(cache_fd, name.c_str(), k_folder_flags));
    if (folder && ::flock(folder.get(), LOCK_EX | LOCK_NB) == 0) remove_tree(cache_path + "/" + name);
  }
}

// Between mkdir and its lock a new folder looks abandoned, so workers make theirs one after the other. Of its
// own: a descriptor that was inherited would share its lock with siblings.
Result<UniqueFd> lock_cache(int cache_fd) {
  UniqueFd lock(::openat(cache_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  int done = -1;
  while (lock && (done = ::flock(lock.get(), LOCK_EX)) < 0 && errno == EINTR) {
  }
  if (done < 0) return failed("can't lock the cache folder");
  return lock;
}

// ".png" of a name that has a plain extension, else "".
std::string extension_of(const std::string& file_name) {
  const std::size_t dot = file_name.rfind('.');
  if (dot == std::string::npos || dot == 0 || file_name.size() - dot > k_max_extension_bytes) return {};
  const std::string extension = file_name.substr(dot + 1);
  const bool is_plain = !extension.empty() && std::ranges::all_of(extension, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
  return is_plain ? "." + extension : std::string();
}

} // namespace

Result<Scratch> Scratch::make(int cache_fd) {
  MRUN_ASSIGN(const std::string cache_path, path_of(cache_fd));
  MRUN_ASSIGN(const UniqueFd lock, lock_cache(cache_fd));
  remove_abandoned(cache_fd, cache_path);
  const std::string name = fmt::format("{}{}", k_prefix, ::getpid());
  remove_tree(cache_path + "/" + name); // of an older process of that number
  if (::mkdirat(cache_fd, name.c_str(), 0700) < 0) return failed("can't make a folder in the cache");
  UniqueFd folder(::openat(cache_fd, name.c_str(), k_folder_flags));
  if (!folder || ::flock(folder.get(), LOCK_EX | LOCK_NB) < 0) return failed("can't open " + name);
  return Scratch(std::move(folder), cache_path + "/" + name);
}

Scratch::~Scratch() {
  if (m_folder) remove_tree(m_path);
}

Result<std::string> Scratch::begin(std::uint64_t id) {
  if (::mkdirat(m_folder.get(), std::to_string(id).c_str(), 0700) < 0)
    return failed("can't make a folder for the prediction's files");
  return fmt::format("{}/{}", m_path, id);
}

void Scratch::end(std::uint64_t id) {
  remove_tree(fmt::format("{}/{}", m_path, id));
}

Result<std::string> Scratch::put(std::uint64_t id, const std::string& input, const std::string& file_name,
                                 std::string_view bytes) {
  const std::string name = fmt::format("{}/in-{}{}", id, input, extension_of(file_name));
  const UniqueFd file(
      ::openat(m_folder.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return failed(fmt::format("can't write the input `{}`", input));
  MRUN_TRY(write_all(file.get(), bytes, name));
  return fmt::format("{}/{}", m_path, name);
}

Result<UniqueFd> Scratch::open(std::uint64_t id, const std::string& path, std::uint64_t& size_bytes) const {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::prediction_failed,
                fmt::format("the program gave the file `{}`, which {}", printable(path, 200), why),
                "an output is written into the prediction's `folder` and named relative to it");
  };
  const std::string folder_path = fmt::format("{}/{}", m_path, id);
  std::string name = path;
  if (name.starts_with(folder_path + "/")) name.erase(0, folder_path.size() + 1);
  const UniqueFd folder(::openat(m_folder.get(), std::to_string(id).c_str(), k_folder_flags));
  if (!folder) return failed("the prediction's folder is gone");
  auto file = real_file_system().open(folder.get(), name, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
  if (!file) return refuse("can't be opened there: " + file.error().message);
  struct stat status {};
  if (::fstat(file->get(), &status) < 0 || !S_ISREG(status.st_mode)) return refuse("is no file");
  size_bytes = static_cast<std::uint64_t>(status.st_size);
  if (size_bytes > k_max_payload_bytes)
    return fail(ErrorCode::output_limit,
                fmt::format("the program gave a file of {}, the limit is {}", format_bytes(size_bytes),
                            format_bytes(k_max_payload_bytes)));
  return std::move(*file);
}

} // namespace mrun::process
