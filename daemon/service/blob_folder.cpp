#include "daemon/service/blob_folder.h"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "daemon/api/prediction.h"
#include "packager/sha256.h"

namespace mrun {
namespace {

constexpr std::string_view k_temporary = "tmp-";

template<class Unwanted>
Result<void> remove_where(FileSystem& file_system, int folder_fd, Unwanted unwanted) {
  MRUN_ASSIGN(const std::vector<std::string> names, file_system.list(folder_fd));
  for (const std::string& name : names)
    if (unwanted(name)) MRUN_TRY(file_system.unlink(folder_fd, name));
  return {};
}

} // namespace

Result<BlobFolder> BlobFolder::open(const std::filesystem::path& folder, FileSystem& file_system) {
  BlobFolder blobs;
  blobs.m_path = folder;
  blobs.m_file_system = &file_system;
  if (::mkdir(folder.c_str(), 0700) < 0 && errno != EEXIST)
    return fail_errno(ErrorCode::io, errno, fmt::format("can't make {}", folder.string()));
  blobs.m_folder = UniqueFd(::open(folder.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  if (!blobs.m_folder) return fail_errno(ErrorCode::io, errno, fmt::format("can't open {}", folder.string()));
  return blobs;
}

Result<Digest> BlobFolder::put(std::string_view bytes, bool durable) {
  const Digest digest = Sha256::of(bytes);
  const std::string name = digest.hex();
  struct stat status {};
  if (::fstatat(m_folder.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      static_cast<std::uint64_t>(status.st_size) == bytes.size()) {
    if (durable) MRUN_TRY(sync_existing(name)); // whoever wrote it may not have needed that
    return digest;
  }
  const std::string temporary = fmt::format("{}{}", k_temporary, new_prediction_id(system_clock().wall_ns()));
  const auto write = [&]() -> Result<void> {
    MRUN_ASSIGN(const UniqueFd fd,
                m_file_system->open(m_folder.get(), temporary, O_CREAT | O_EXCL | O_WRONLY, 0600));
    MRUN_TRY(m_file_system->write(fd.get(), bytes));
    if (durable) MRUN_TRY(m_file_system->sync(fd.get()));
    MRUN_TRY(m_file_system->rename(m_folder.get(), temporary, name));
    return durable ? m_file_system->sync(m_folder.get()) : Result<void>();
  };
  if (Result<void> written = write(); !written) {
    (void)m_file_system->unlink(m_folder.get(), temporary); // the write's own error is the one to tell
    return tl::unexpected(
        std::move(written).error().with_note(fmt::format("while storing an output in {}", m_path.string())));
  }
  return digest;
}

Result<void> BlobFolder::sync_existing(const std::string& name) {
  MRUN_ASSIGN(const UniqueFd fd, m_file_system->open(m_folder.get(), name, O_RDONLY, 0));
  MRUN_TRY(m_file_system->sync(fd.get()));
  return m_file_system->sync(m_folder.get());
}

Result<UniqueFd> BlobFolder::get(const std::string& name) const {
  UniqueFd fd(::openat(m_folder.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno == ENOENT)
    return fail(ErrorCode::file_not_found, fmt::format("the file {} is gone from {}", name, m_path.string()));
  if (!fd) return fail_errno(ErrorCode::io, errno, fmt::format("can't open {}", name));
  return fd;
}

Result<UniqueFd> BlobFolder::begin() const {
  UniqueFd fd(::openat(m_folder.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
    return fail_errno(ErrorCode::io, errno, fmt::format("can't make a file in {}", m_path.string()));
  // A file system without unnamed files (some overlays): a temporary name, removed by clean() if it stays.
  const std::string temporary = fmt::format("{}{}", k_temporary, new_prediction_id(system_clock().wall_ns()));
  fd.reset(::openat(m_folder.get(), temporary.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) return fail_errno(ErrorCode::io, errno, fmt::format("can't make a file in {}", m_path.string()));
  return fd;
}

Result<void> BlobFolder::publish(int fd, const std::string& name) {
  MRUN_TRY(m_file_system->sync(fd));
  const std::string own_path = fmt::format("/proc/self/fd/{}", fd);
  struct stat status {};
  if (::fstat(fd, &status) < 0) return fail_errno(ErrorCode::io, errno, "can't look at an upload");
  int done = 0;
  if (status.st_nlink == 0) {
    done = ::linkat(AT_FDCWD, own_path.c_str(), m_folder.get(), name.c_str(), AT_SYMLINK_FOLLOW);
  } else {
    std::error_code error;
    const std::filesystem::path temporary = std::filesystem::read_symlink(own_path, error);
    done = ::renameat(AT_FDCWD, temporary.c_str(), m_folder.get(), name.c_str());
  }
  if (done < 0)
    return fail_errno(ErrorCode::io, errno, fmt::format("can't keep an upload in {}", m_path.string()));
  return m_file_system->sync(m_folder.get());
}

Result<void> BlobFolder::remove(const std::string& name) {
  return m_file_system->unlink(m_folder.get(), name);
}

Result<void> BlobFolder::keep_only(const std::set<std::string>& known) {
  return remove_where(*m_file_system, m_folder.get(),
                      [&known](const std::string& name) { return !known.contains(name); });
}

Result<void> BlobFolder::clean() {
  return remove_where(*m_file_system, m_folder.get(),
                      [](const std::string& name) { return name.starts_with(k_temporary); });
}

} // namespace mrun
