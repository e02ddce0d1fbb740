// The one seam to the file system for code that must survive failure: the store and the output writer.
//
// Every operation is relative to a directory descriptor; names never contain `/` unless the caller holds a
// SafePath. Tests replace the seam with FailingFileSystem to fail the n-th call of a kind.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/fd.h"

namespace mrun {

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // openat2 with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS (falls back to O_NOFOLLOW where the kernel lacks it).
  virtual Result<UniqueFd> open(int dir_fd, const std::string& path, int flags, unsigned mode) = 0;
  virtual Result<void> make_dir(int dir_fd, const std::string& path, unsigned mode) = 0; // EEXIST is no error
  virtual Result<void> write(int fd, std::string_view bytes) = 0;                        // all of it
  virtual Result<void> sync(int fd) = 0; // fsync, file or folder
  virtual Result<void> rename(int dir_fd, const std::string& from,
                              const std::string& to) = 0; // replaces `to`
  virtual Result<void> link(int from_dir, const std::string& from, int to_dir, const std::string& to) = 0;
  virtual Result<void> unlink(int dir_fd, const std::string& path) = 0; // absent is no error
  virtual Result<std::vector<std::string>> list(int dir_fd) = 0;        // without . and .., unsorted
};

// The real one; stateless, any thread.
FileSystem& real_file_system();

// Passes calls on until the n-th of all calls (counted from 1), which fails with `error_number`, as do all
// later ones when `persistent`. For tests.
class FailingFileSystem : public FileSystem {
 public:
  FailingFileSystem(FileSystem& inner, int fail_at, int error_number, bool persistent)
      : m_inner(inner),
        m_fail_at(fail_at),
        m_error_number(error_number),
        m_persistent(persistent) {}

  Result<UniqueFd> open(int dir_fd, const std::string& path, int flags, unsigned mode) override;
  Result<void> make_dir(int dir_fd, const std::string& path, unsigned mode) override;
  Result<void> write(int fd, std::string_view bytes) override;
  Result<void> sync(int fd) override;
  Result<void> rename(int dir_fd, const std::string& from, const std::string& to) override;
  Result<void> link(int from_dir, const std::string& from, int to_dir, const std::string& to) override;
  Result<void> unlink(int dir_fd, const std::string& path) override;
  Result<std::vector<std::string>> list(int dir_fd) override;

  int calls() const { return m_calls; }

 private:
  Result<void> count(std::string_view operation);

  FileSystem& m_inner;
  int m_fail_at;
  int m_error_number;
  bool m_persistent;
  std::atomic<int> m_calls = 0; // packing calls from several threads
};

} // namespace mrun
