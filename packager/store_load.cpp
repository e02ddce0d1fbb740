// Reading blobs and bundles out of the store.
#include "packager/store.h"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "packager/bundle_format.h"
#include "packager/sha256.h"
#include "packager/store_files.h"

namespace mrun {
namespace {

Result<void> check_blob_size(int blobs, const BlobClaim& claim) {
  struct stat status {};
  if (::fstatat(blobs, claim.digest.hex().c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
    if (errno == ENOENT)
      return fail(ErrorCode::store_corrupt, fmt::format("blob {} is missing", claim.digest.text()));
    return fail_errno(ErrorCode::io, errno, fmt::format("can't look at blob {}", claim.digest.short_hex()));
  }
  if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) != claim.size)
    return fail(ErrorCode::store_corrupt, fmt::format("blob {} has {} bytes, it must have {}",
                                                      claim.digest.text(), status.st_size, claim.size));
  return {};
}

} // namespace

Result<UniqueFd> Store::open_blob(const Digest& digest) const {
  UniqueFd fd(::openat(m_impl->blobs.get(), digest.hex().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (fd) return fd;
  if (errno == ENOENT)
    return fail(ErrorCode::model_not_found,
                fmt::format("the store has nothing with the digest {}", digest.text()));
  return fail_errno(ErrorCode::store_corrupt, errno, fmt::format("can't open blob {}", digest.text()));
}

bool Store::has_blob(const Digest& digest, std::uint64_t size) const {
  return check_blob_size(m_impl->blobs.get(), {digest, size}).has_value();
}

std::uint64_t Store::partial_bytes(const Digest& digest, std::uint64_t size) const {
  return m_impl->partial_bytes(digest, size);
}

std::uint64_t Store::Impl::partial_bytes(const Digest& digest, std::uint64_t size) const {
  const std::string name = fmt::format("tmp/{}{}", k_partial_prefix, digest.hex());
  const UniqueFd fd(::openat(root.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status {};
  const bool there = fd && ::fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode) &&
                     static_cast<std::uint64_t>(status.st_size) <= size;
  std::uint64_t bytes = 0;
  if (!there) return bytes;
  for (const WrittenPart& part : written_parts(fd.get(), static_cast<std::uint64_t>(status.st_size)))
    bytes += part.end - part.begin;
  return bytes;
}

Result<std::string> Store::read_blob(const Digest& digest, std::size_t limit) const {
  MRUN_ASSIGN(const UniqueFd fd, open_blob(digest));
  MRUN_ASSIGN(std::string bytes, read_all(fd.get(), limit, fmt::format("blob {}", digest.short_hex()),
                                          ErrorCode::bundle_invalid));
  if (const Digest content = Sha256::of(bytes); content != digest)
    return fail(ErrorCode::store_corrupt, fmt::format("blob {} is damaged: its content has the digest {}",
                                                      digest.text(), content.short_hex()));
  return bytes;
}

Result<Bundle> Store::load(const Digest& digest) const {
  MRUN_ASSIGN(const std::string text, read_blob(digest, k_max_oci_manifest_bytes));
  const auto noted = [&](Error error) {
    // a part that is not there is damage of this store, not a model that nobody has
    if (error.code == ErrorCode::model_not_found)
      error = fail(ErrorCode::store_corrupt, error.message).value();
    return tl::unexpected<Error>(
        std::move(error).with_note(fmt::format("while loading version {}", digest.short_hex())));
  };
  Result<BundleLayout> layout = decode_bundle(text);
  if (!layout) return noted(std::move(layout).error());
  for (const BlobClaim& layer : layout->layers)
    if (auto whole = check_blob_size(m_impl->blobs.get(), layer); !whole)
      return noted(std::move(whole).error());
  Result<Bundle> bundle =
      describe_bundle(digest, std::move(*layout), [this](const BlobClaim& claim, std::size_t limit) {
        return read_blob(claim.digest, limit);
      });
  if (!bundle) return noted(std::move(bundle).error());
  return bundle;
}

} // namespace mrun
