// Many blobs at once: a few threads, each with its own connection, over one list.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "packager/registry/registry.h"

namespace mrun {

struct TransferProgress {
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t moved_bytes = 0; // over the wire: not what was there before, and what moved twice is in twice
  std::size_t done_blobs = 0;
  std::size_t total_blobs = 0;
  bool in_trouble = false; // a connection broke or was turned away, and tries again
};

struct TransferOptions {
  std::size_t parallel = 0;                                 // 0: by the machine and the list, at most 8
  std::function<void(const TransferProgress&)> on_progress; // ten times a second, on the calling thread
};

// One transfer's own count of bytes, which may go back when it starts again.
using ByteCount = std::atomic<std::uint64_t>;

struct TransferTask {
  std::uint64_t size_bytes = 0;
  std::function<Result<void>(RegistryConnection&, ByteCount& done)> run; // on some thread
  // Of all tasks that share in one blob; nullptr: the task has one of its own.
  std::shared_ptr<ByteCount> shared_count = nullptr;
};

// Runs all, the largest first. The first error stops what is under way and is returned. Errors: those of the
// tasks, interrupted_by_user.
Result<void> run_transfers(Registry& registry, std::vector<TransferTask> tasks,
                           const TransferOptions& options);

} // namespace mrun
