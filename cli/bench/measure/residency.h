// Whether what a model is loaded from lies in the page cache, and getting it out of there.
#pragma once

#include <cstdint>
#include <filesystem>

#include "common/error.h"
#include "packager/store.h"

namespace mrun::bench {

struct Residency {
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  double share() const { return pages == 0 ? 0 : static_cast<double>(resident) / static_cast<double>(pages); }
};

// A cold run may have so much in memory.
inline constexpr double k_cold_share = 0.01;

// What a load reads: the blobs that the bundle's files lie in, and what earlier loads prepared of them
// (unpacked packages, tokenizers), in the daemon's folder of that version, which need not be there.
struct LoadedFiles {
  const Store& store;
  const Bundle& bundle;
  std::filesystem::path prepared;
};

// By cachestat(2), else mincore(2). Error io, store_corrupt.
Result<Residency> read_residency(const LoadedFiles& files);
// fsync, then posix_fadvise(DONTNEED): a dirty page is not dropped, nor is one that a process has mapped.
Result<void> evict(const LoadedFiles& files);
// sync, then 3 into /proc/sys/vm/drop_caches: all of the machine. Error bench_privilege without root.
Result<void> drop_all_caches();
Result<void> need_root(); // likewise, before anything is done

} // namespace mrun::bench
