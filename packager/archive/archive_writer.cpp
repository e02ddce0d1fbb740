#include "packager/archive/archive_writer.h"

#include <optional>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

namespace mrun {
namespace {

constexpr int k_block_bytes = 1 << 20;

} // namespace

struct ArchiveWriter::Impl {
  ArchiveSink sink;
  std::unique_ptr<archive, int (*)(archive*)> handle{::archive_write_new(), &drop};
  std::optional<Error> sink_error; // libarchive hears of a failure only, the caller of its reason

  // Without this libarchive would end the archive properly when it is abandoned.
  static int drop(archive* handle) {
    ::archive_write_fail(handle);
    return ::archive_write_free(handle);
  }

  static la_ssize_t take(archive*, void* self_pointer, const void* bytes, std::size_t size) {
    auto& self = *static_cast<Impl*>(self_pointer);
    Result<void> taken = self.sink(std::string_view(static_cast<const char*>(bytes), size));
    if (taken) return static_cast<la_ssize_t>(size);
    self.sink_error = std::move(taken).error();
    return -1;
  }

  Result<void> check(la_ssize_t state) const {
    if (state >= 0) return {};
    if (sink_error) return tl::unexpected<Error>(*sink_error);
    const char* words = ::archive_error_string(handle.get());
    return fail(ErrorCode::io,
                fmt::format("can't write the archive: {}", words != nullptr ? words : "unknown reason"));
  }

  Result<void> add(const std::string& name, unsigned type, unsigned mode, std::uint64_t size_bytes) {
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(::archive_entry_new(),
                                                                         &::archive_entry_free);
    ::archive_entry_set_pathname(entry.get(), name.c_str());
    ::archive_entry_set_filetype(entry.get(), type);
    ::archive_entry_set_perm(entry.get(), mode);
    ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size_bytes));
    ::archive_entry_set_mtime(entry.get(), 0, 0);
    return check(::archive_write_header(handle.get(), entry.get()));
  }
};

ArchiveWriter::ArchiveWriter(std::unique_ptr<Impl> impl) : m_impl(std::move(impl)) {}
ArchiveWriter::ArchiveWriter(ArchiveWriter&&) noexcept = default;
ArchiveWriter& ArchiveWriter::operator=(ArchiveWriter&&) noexcept = default;
ArchiveWriter::~ArchiveWriter() = default;

Result<ArchiveWriter> ArchiveWriter::open(ArchiveSink sink) {
  auto impl = std::make_unique<Impl>();
  impl->sink = std::move(sink);
  archive* handle = impl->handle.get();
  MRUN_CHECK(handle != nullptr);
  MRUN_TRY(impl->check(::archive_write_set_format_pax_restricted(handle)));
  MRUN_TRY(impl->check(::archive_write_set_bytes_per_block(handle, k_block_bytes)));
  MRUN_TRY(impl->check(::archive_write_set_bytes_in_last_block(handle, 1))); // no padding to a tape's record
  MRUN_TRY(impl->check(::archive_write_open(handle, impl.get(), nullptr, &Impl::take, nullptr)));
  return ArchiveWriter(std::move(impl));
}

Result<void> ArchiveWriter::add_folder(const std::string& name) {
  return m_impl->add(name, AE_IFDIR, 0755, 0);
}

Result<void> ArchiveWriter::begin_file(const std::string& name, std::uint64_t size_bytes) {
  return m_impl->add(name, AE_IFREG, 0644, size_bytes);
}

Result<void> ArchiveWriter::write(std::string_view bytes) {
  const la_ssize_t written = ::archive_write_data(m_impl->handle.get(), bytes.data(), bytes.size());
  MRUN_TRY(m_impl->check(written));
  MRUN_CHECK(static_cast<std::size_t>(written) == bytes.size()); // else more than begin_file() was told
  return {};
}

Result<void> ArchiveWriter::finish() {
  return m_impl->check(::archive_write_close(m_impl->handle.get()));
}

} // namespace mrun
