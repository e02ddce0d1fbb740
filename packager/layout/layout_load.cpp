#include "packager/layout/layout_load.h"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/text.h"
#include "packager/bundle_format.h"
#include "packager/layout/layout_names.h"
#include "packager/layout/loading.h"
#include "packager/signing/signature_artifact.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_archive_entries = 4 * k_max_bundle_files; // several versions
constexpr std::size_t k_folder_read_bytes = 1 * k_mib;

// Counts what is read, ends when told, and gives the first bytes again after they were looked at.
Result<ArchiveSource> watched(ArchiveSource source, const LoadRequest& request,
                              ArchiveCompression& compression) {
  MRUN_ASSIGN(const std::string_view first, source());
  using namespace std::string_view_literals;
  compression = first.starts_with("\x1f\x8b"sv)           ? ArchiveCompression::gzip
                : first.starts_with("\x28\xb5\x2f\xfd"sv) ? ArchiveCompression::zstd
                                                          : ArchiveCompression::none;
  return [source = std::move(source), &request, first, is_first = true,
          read = std::uint64_t{0}]() mutable -> Result<std::string_view> {
    if (request.is_stopped && request.is_stopped()) return load_stopped();
    std::string_view bytes = first;
    if (!is_first) {
      MRUN_ASSIGN(bytes, source());
    }
    is_first = false;
    read += bytes.size();
    if (request.on_progress) request.on_progress(read);
    return bytes;
  };
}

class LayoutFolder {
 public:
  LayoutFolder(Loading& loading, UniqueFd fd, const LoadRequest& request)
      : m_loading(loading),
        m_fd(std::move(fd)),
        m_request(request),
        m_buffer(k_folder_read_bytes, '\0') {}

  Result<void> take(const std::string& name) {
    Result<UniqueFd> file = real_file_system().open(m_fd.get(), name, O_RDONLY | O_NONBLOCK, 0);
    if (!file) return load_invalid(fmt::format("it lacks {}: {}", name, file.error().message));
    const Result<std::uint64_t> size = file_size(file->get(), name);
    if (!size) return load_invalid(size.error().message);
    return m_loading.take_entry(name, *size, [&]() -> Result<std::string_view> {
      if (m_request.is_stopped && m_request.is_stopped()) return load_stopped();
      ssize_t got = -1;
      do
        got = ::read(file->get(), m_buffer.data(), m_buffer.size());
      while (got < 0 && errno == EINTR);
      if (got < 0) return fail_errno(ErrorCode::io, errno, fmt::format("can't read {}", name));
      m_read += static_cast<std::uint64_t>(got);
      if (m_request.on_progress) m_request.on_progress(m_read);
      return std::string_view(m_buffer.data(), static_cast<std::size_t>(got));
    });
  }

 private:
  Loading& m_loading;
  UniqueFd m_fd;
  const LoadRequest& m_request;
  std::string m_buffer;
  std::uint64_t m_read = 0;
};

// What a manifest needs besides itself; of one that is neither a bundle nor a signature nothing is taken.
std::vector<BlobClaim> named_blobs(const std::string& manifest) {
  if (const auto layout = decode_bundle(manifest)) return blobs_of(*layout);
  const auto version = signed_version(manifest);
  if (!version) return {};
  const auto claim = decode_signature_manifest(manifest, *version);
  return claim ? std::vector{*claim} : std::vector<BlobClaim>();
}

std::string blob_name(const Digest& digest) {
  return std::string(k_blobs_prefix) + digest.hex();
}

} // namespace

Result<LoadResult> load_archive(Store& store, ArchiveSource source, const LoadRequest& request) {
  ArchiveLimits limits;
  limits.max_entries = k_max_archive_entries;
  ArchiveCompression compression{};
  MRUN_ASSIGN(ArchiveSource counted, watched(std::move(source), request, compression));
  MRUN_ASSIGN(ArchiveReader archive, ArchiveReader::open(std::move(counted), compression, limits));
  MRUN_ASSIGN(const std::unique_ptr<Store::Writer> writer, store.begin_write());
  Loading loading(store, *writer, request);
  while (true) {
    MRUN_ASSIGN(const std::optional<ArchiveEntry> entry, archive.next());
    if (!entry) break;
    MRUN_TRY(loading.take_entry(entry->path.text(), entry->size_bytes, [&] { return archive.read(); }));
  }
  return loading.finish();
}

Result<LoadResult> load_folder(Store& store, const std::filesystem::path& folder,
                               const LoadRequest& request) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno(ErrorCode::io, errno, fmt::format("can't open {}", printable(folder.string())));
  MRUN_ASSIGN(const std::unique_ptr<Store::Writer> writer, store.begin_write());
  Loading loading(store, *writer, request);
  LayoutFolder layout(loading, std::move(fd), request);
  MRUN_TRY(layout.take(std::string(k_layout_name)));
  MRUN_TRY(layout.take(std::string(k_index_name)));
  for (const IndexedManifest& entry : loading.index()) {
    MRUN_TRY(layout.take(blob_name(entry.digest)));
    const Result<std::string> text = store.read_blob(entry.digest, k_max_oci_manifest_bytes);
    if (!text) continue; // finish() says what is wrong with it, if anything is
    for (const BlobClaim& claim : named_blobs(*text))
      if (!store.has_blob(claim.digest, claim.size)) MRUN_TRY(layout.take(blob_name(claim.digest)));
  }
  return loading.finish();
}

} // namespace mrun
