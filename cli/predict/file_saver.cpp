#include "cli/predict/file_saver.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <random>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/media_type.h"
#include "common/paths.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_name_bytes = 200;
constexpr int k_name_attempts = 100;
constexpr std::string_view k_temporary_name = ".mrun-output-XXXXXX";

bool is_special(const std::filesystem::path& target) {
  struct stat status {};
  return ::stat(target.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

tl::unexpected<Error> output_exists(const std::filesystem::path& target) {
  return fail(ErrorCode::output_exists, fmt::format("{} exists", target.string()));
}

} // namespace

AtomicFile::AtomicFile(std::filesystem::path target, UniqueFd fd)
    : m_target(std::move(target)),
      m_fd(std::move(fd)) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : m_target(std::move(other.m_target)),
      m_temporary(std::exchange(other.m_temporary, {})),
      m_is_nameless(std::exchange(other.m_is_nameless, false)),
      m_fd(std::move(other.m_fd)) {}

AtomicFile::~AtomicFile() {
  if (!m_temporary.empty()) ::unlink(m_temporary.c_str());
}

Result<AtomicFile> AtomicFile::create(std::filesystem::path target) {
  if (is_special(target)) {
    UniqueFd fd(::open(target.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return fail_errno(ErrorCode::io, errno, fmt::format("can't open {}", target.string()));
    return AtomicFile(std::move(target), std::move(fd));
  }
  const std::filesystem::path folder = folder_of(target);
  if (UniqueFd fd(::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666)); fd) {
    AtomicFile file(std::move(target), std::move(fd));
    file.m_is_nameless = true;
    return file;
  }
  // NFS, FUSE and others have none.
  std::string temporary = (folder / k_temporary_name).string();
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return fail_errno(ErrorCode::io, errno, fmt::format("can't write to {}", folder.string()));
  AtomicFile file(std::move(target), std::move(fd));
  file.m_temporary = temporary;
  const mode_t mask = ::umask(0); // single-threaded: there is no other way to read it
  ::umask(mask);
  if (::fchmod(file.m_fd.get(), 0666 & ~mask) < 0)
    return fail_errno(ErrorCode::io, errno, fmt::format("can't set the mode of {}", temporary));
  return file;
}

Result<void> AtomicFile::write(std::string_view bytes) {
  return write_all(m_fd.get(), bytes, m_target.string());
}

int AtomicFile::link_as(const std::filesystem::path& name) const {
  const std::string self = fmt::format("/proc/self/fd/{}", m_fd.get());
  return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

// Under a temporary name, which can then replace another.
Result<void> AtomicFile::link_nameless() {
  std::random_device random;
  int problem = EEXIST;
  for (int attempt = 0; problem == EEXIST && attempt < k_name_attempts; ++attempt) {
    m_temporary = folder_of(m_target) / fmt::format(".mrun-output-{:08x}", random());
    problem = link_as(m_temporary);
  }
  m_is_nameless = problem != 0;
  if (problem == 0) return {};
  m_temporary.clear();
  return fail_errno(ErrorCode::io, problem, fmt::format("can't write {}", m_target.string()));
}

int AtomicFile::rename_to_target(bool replace) const {
  const unsigned flags = replace ? 0 : RENAME_NOREPLACE;
  int problem =
      ::renameat2(AT_FDCWD, m_temporary.c_str(), AT_FDCWD, m_target.c_str(), flags) == 0 ? 0 : errno;
  if (problem == EINVAL || problem == ENOSYS) { // a file system without RENAME_NOREPLACE
    problem = ::link(m_temporary.c_str(), m_target.c_str()) == 0 ? 0 : errno;
    if (problem == 0) ::unlink(m_temporary.c_str());
  }
  return problem;
}

Result<void> AtomicFile::commit(bool replace) {
  if (m_is_nameless && replace) MRUN_TRY(link_nameless());
  if (!m_is_nameless && m_temporary.empty()) return {};
  // A nameless one gets its own name at once: nothing is left of a kill.
  const int problem = m_is_nameless ? link_as(m_target) : rename_to_target(replace);
  if (problem == EEXIST) return output_exists(m_target);
  if (problem != 0)
    return fail_errno(ErrorCode::io, problem, fmt::format("can't write {}", m_target.string()));
  m_temporary.clear();
  m_is_nameless = false;
  return {};
}

Result<void> AtomicFile::commit_durably(bool replace) {
  const bool has_disk = m_is_nameless || !m_temporary.empty();
  if (has_disk && ::fsync(m_fd.get()) < 0)
    return fail_errno(ErrorCode::io, errno, fmt::format("can't write {}", m_target.string()));
  MRUN_TRY(commit(replace));
  const UniqueFd folder(::open(folder_of(m_target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (has_disk && folder) ::fsync(folder.get()); // not every file system can
  return {};
}

Result<void> AtomicFile::commit_as(std::filesystem::path target) {
  m_target = std::move(target);
  return commit(false);
}

Result<void> check_target(const std::filesystem::path& target, bool replace) {
  std::error_code error;
  if (std::filesystem::is_directory(target, error))
    return fail(ErrorCode::usage, fmt::format("{} is a folder", target.string()),
                fmt::format("name a file in it, as `-o {}`", (target / "%{index}.%{ext}").string()));
  if (replace || is_special(target)) return {};
  if (std::filesystem::exists(std::filesystem::symlink_status(target, error))) return output_exists(target);
  return {};
}

std::string safe_output_name(std::string_view name, std::string_view media_type, std::size_t index) {
  const std::size_t slash = name.find_last_of("/\\");
  if (slash != std::string_view::npos) name.remove_prefix(slash + 1);
  while (name.starts_with('.') || name.starts_with('-'))
    name.remove_prefix(1);
  std::string safe;
  for (const char c : name)
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) safe += c;
  if (safe.empty() || safe.size() > k_max_name_bytes || !is_valid_utf8(safe))
    return fmt::format("output-{}.{}", index, extension_of_media_type(media_type));
  const std::string extension = extension_of_media_type(media_type);
  if (safe.find('.') == std::string::npos && extension != "bin") safe.append(".").append(extension);
  return safe;
}

std::filesystem::path free_path(const std::filesystem::path& folder, const std::string& name) {
  std::filesystem::path path = folder / name;
  const std::filesystem::path plain = path;
  std::error_code error;
  for (int number = 2; std::filesystem::exists(std::filesystem::symlink_status(path, error)); ++number)
    path = folder / fmt::format("{}-{}{}", plain.stem().string(), number, plain.extension().string());
  return path;
}

bool expand_output_pattern(std::string& pattern, const std::string& index, std::string_view extension) {
  bool had_index = false;
  const auto replace = [&](std::string_view mark, const std::string& text) {
    bool found = false;
    for (std::size_t at = 0; (at = pattern.find(mark, at)) != std::string::npos; at += text.size()) {
      pattern.replace(at, mark.size(), text);
      found = true;
    }
    return found;
  };
  had_index = replace(k_index_mark, index);
  replace(k_extension_mark, std::string(extension));
  return had_index;
}

} // namespace mrun::cli
