// Writing results into the user's folders: whole or not at all, and never over something unasked.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/fd.h"

namespace mrun::cli {

// A file that appears under its name only by `commit`. Dropped uncommitted, nothing stays.
class AtomicFile {
 public:
  // `target` that is a device or a pipe is written to directly. Until commit the file has no name, where the
  // file system can do that: then even a kill leaves nothing. Errors: io, disk_full.
  static Result<AtomicFile> create(std::filesystem::path target);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Result<void> write(std::string_view bytes);
  // Moves the file to its place. Error output_exists unless `replace`. The second makes it durable first.
  Result<void> commit(bool replace);
  Result<void> commit_durably(bool replace);
  Result<void> commit_as(std::filesystem::path target); // under another name, which must be free

 private:
  AtomicFile(std::filesystem::path target, UniqueFd fd);
  int link_as(const std::filesystem::path& name) const; // 0, or errno
  int rename_to_target(bool replace) const;             // the same, of the temporary name
  Result<void> link_nameless();

  std::filesystem::path m_target;
  std::filesystem::path
      m_temporary; // its name until commit; "" when nameless, written directly, or committed
  bool m_is_nameless = false;
  UniqueFd m_fd;
};

// Error output_exists when `target` is there and `replace` is false. Devices and pipes may always be written
// to.
Result<void> check_target(const std::filesystem::path& target, bool replace);

// A file name from an untrusted one: the last part, printable, without leading dots, at most 200 bytes; when
// nothing is left, "output-<index>.<ext of the media type>".
std::string safe_output_name(std::string_view name, std::string_view media_type, std::size_t index);

// `folder`/name, or with -2, -3 … before the extension: the first that is not there.
std::filesystem::path free_path(const std::filesystem::path& folder, const std::string& name);

inline constexpr std::string_view k_index_mark = "%{index}";
inline constexpr std::string_view k_extension_mark = "%{ext}";
// Replaces both. True when there was an index.
bool expand_output_pattern(std::string& pattern, const std::string& index, std::string_view extension);

} // namespace mrun::cli
