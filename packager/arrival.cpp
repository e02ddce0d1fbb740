#include "packager/arrival.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include "common/text.h"

namespace mrun {
namespace {

constexpr std::uint64_t k_disk_reserve_bytes = 16 * k_mib; // for the index, and for whoever else writes

} // namespace

Result<void> check_disk(const Store& store, std::uint64_t needed_bytes) {
  struct statvfs disk {};
  if (::fstatvfs(store.blobs_dir_fd(), &disk) < 0) return {};
  const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (free >= k_disk_reserve_bytes && needed_bytes <= free - k_disk_reserve_bytes) return {};
  return fail(
      ErrorCode::disk_full,
      fmt::format("the model needs {} more, {} are free on the disk of the store", format_bytes(needed_bytes),
                  format_bytes(free)),
      "mrun rm models that you no longer need, then mrun gc (--all: what interrupted pulls brought, too)");
}

tl::unexpected<Error> fail_tag_elsewhere(const Reference& name, const Digest& present,
                                         const std::string& present_origin) {
  return fail(
      ErrorCode::tag_elsewhere,
      fmt::format("{}:{} is {} here, {}", name.model(), name.tag_or_default(), present.short_hex(),
                  present_origin.empty() ? "packed or tagged on this machine" : "from " + present_origin));
}

} // namespace mrun
