#include "cli/template_copy.h"

#include <algorithm>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/limits.h"
#include "packager/reference.h"

namespace mrun::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t k_max_template_file_bytes = 64 * k_mib;
constexpr std::string_view k_name_mark = "@NAME@";

tl::unexpected<Error> io_error(const std::error_code& error, std::string_view what, const fs::path& path) {
  return fail_errno(ErrorCode::io, error.value(), fmt::format("can't {} {}", what, path.string()));
}

std::string with_name(std::string text, const std::string& name) {
  if (text.find('\0') != std::string::npos) return text; // not a text file
  for (std::size_t at = 0; (at = text.find(k_name_mark, at)) != std::string::npos; at += name.size())
    text.replace(at, k_name_mark.size(), name);
  return text;
}

Result<void> copy_file(const fs::path& from, const fs::path& to, const std::string& name) {
  MRUN_ASSIGN(std::string text,
              read_file(from.string(), k_max_template_file_bytes, ErrorCode::io, ErrorCode::io));
  struct stat status {};
  const bool executable = ::stat(from.c_str(), &status) == 0 && (status.st_mode & 0100) != 0;
  const UniqueFd fd(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, executable ? 0777 : 0666));
  if (!fd) return fail_errno(ErrorCode::io, errno, fmt::format("can't write {}", to.string()));
  return write_all(fd.get(), with_name(std::move(text), name), to.string());
}

Result<std::size_t> copy_tree(const fs::path& source, const fs::path& target, const std::string& name) {
  std::size_t count = 0;
  std::error_code error;
  fs::create_directories(target, error);
  if (error) return io_error(error, "make", target);
  for (fs::recursive_directory_iterator entry(source, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path to = target / entry->path().lexically_relative(source);
    if (entry->is_directory()) {
      fs::create_directories(to, error);
      if (error) return io_error(error, "make", to);
    } else {
      MRUN_TRY(copy_file(entry->path(), to, name));
      ++count;
    }
  }
  if (error) return io_error(error, "read", source);
  return count;
}

} // namespace

Result<void> check_empty_target(const fs::path& target) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(target, error);
  if (!fs::exists(status)) return {};
  if (!fs::is_directory(fs::status(target, error)))
    return fail(ErrorCode::target_not_empty, fmt::format("{} exists and is no folder", target.string()));
  const fs::directory_iterator first(target, error);
  if (error) return io_error(error, "read", target);
  if (first != fs::directory_iterator())
    return fail(ErrorCode::target_not_empty, fmt::format("{} is not empty", target.string()));
  return {};
}

void clear_target(const fs::path& target, bool was_there) {
  std::error_code error;
  if (!was_there) {
    fs::remove_all(target, error);
    return;
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(target, error))
    fs::remove_all(entry.path(), error);
}

std::vector<std::string> template_names(const fs::path& templates) {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(templates, error))
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

Result<std::size_t> copy_template(const fs::path& source, const fs::path& target, const std::string& name) {
  MRUN_TRY(check_empty_target(target));
  std::error_code error;
  const bool was_there = fs::exists(target, error);
  auto copied = copy_tree(source, target, name);
  if (copied) return copied;
  clear_target(target, was_there);
  return copied;
}

std::string default_model_name(const fs::path& target) {
  std::error_code error;
  fs::path whole = fs::absolute(target, error).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path(); // a trailing slash
  return model_name_of("", whole.filename().string());
}

} // namespace mrun::cli
