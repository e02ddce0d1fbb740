#include "packager/registry/blob_fetch.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "packager/registry/retry.h"
#include "packager/sha256.h"

namespace mrun {
namespace {

constexpr std::uint64_t k_range_bytes = 64 * k_mib;
constexpr std::uint64_t k_ranged_bytes = 2 * k_range_bytes; // above, a blob comes in ranges
constexpr std::uint64_t k_hash_step_bytes = 1 * k_mib;
constexpr std::uint64_t k_hash_burst_bytes = 64 * k_mib;   // while a connection waits
constexpr std::chrono::seconds k_patience_with_others{30}; // without a new byte
constexpr std::chrono::milliseconds k_look_again{50};

struct Arrival {
  Store::Writer::Gaps gaps = Store::Writer::Gaps::cut;
  bool replaces = false; // a damaged blob that is there
};

// The place for a blob to come to. Where another process fetches it too, its end is waited for, as long as it
// gets on. nullopt: the store has the blob by now.
Result<std::optional<Store::Writer::Incoming>> begin(Store::Writer& writer, const BlobClaim& claim,
                                                     int interrupt_fd, const Arrival& arrival) {
  std::uint64_t seen = 0;
  auto since = std::chrono::steady_clock::now();
  while (true) {
    MRUN_ASSIGN(std::optional<Store::Writer::Incoming> incoming,
                writer.resume_blob(claim.digest, claim.size, arrival.gaps,
                                   [&] { return check_interrupt(interrupt_fd); }));
    if (!arrival.replaces && writer.has(claim)) return std::nullopt;
    if (incoming) return incoming;
    const std::uint64_t bytes = writer.partial_bytes(claim);
    if (std::exchange(seen, bytes) != bytes) since = std::chrono::steady_clock::now();
    if (std::chrono::steady_clock::now() - since > k_patience_with_others) {
      MRUN_ASSIGN(Store::Writer::Incoming own, writer.begin_blob());
      return own;
    }
    MRUN_TRY(pause(interrupt_fd, k_look_again));
  }
}

// Fetches, and ends with `finish`, which checks the content (store_corrupt).
Result<void> fetch(Store::Writer& writer, const BlobClaim& claim, RegistryConnection& connection,
                   ByteCount& done,
                   const std::function<Result<void>(Store::Writer::Incoming& incoming)>& finish,
                   const Arrival& arrival = {}) {
  for (int attempt = 0;; ++attempt) {
    MRUN_ASSIGN(std::optional<Store::Writer::Incoming> place,
                begin(writer, claim, connection.interrupt_fd(), arrival));
    if (!place) {
      done.store(claim.size, std::memory_order_relaxed);
      return {};
    }
    Store::Writer::Incoming& incoming = *place;
    done.store(incoming.size(), std::memory_order_relaxed);
    BlobDownload download{.digest = claim.digest,
                          .size_bytes = claim.size,
                          .offset = incoming.size(),
                          .sink = [&](std::string_view bytes) -> Result<void> {
                            MRUN_TRY(incoming.write(bytes));
                            done.store(incoming.size(), std::memory_order_relaxed);
                            return {};
                          },
                          .restart = [&] { return incoming.restart(); }};
    MRUN_TRY(connection.get_blob(download));
    const Result<void> finished = finish(incoming);
    if (finished || finished.error().code != ErrorCode::store_corrupt) return finished;
    // A part of it may have been damaged, here by a power cut or on the way: once more from the start.
    if (attempt == 0) continue;
    return fail(ErrorCode::digest_mismatch, fmt::format("what {} sends as blob {} has other content",
                                                        connection.host(), claim.digest.text()));
  }
}

Result<void> fetch_blob(Store::Writer& writer, const BlobClaim& claim, RegistryConnection& connection,
                        ByteCount& done, const Arrival& arrival = {}) {
  const auto finish = [&](Store::Writer::Incoming& incoming) -> Result<void> {
    MRUN_TRY(incoming.finish(claim.digest));
    return {};
  };
  return fetch(writer, claim, connection, done, finish, arrival);
}

// Whether the blob of the store has the content that its name says. Error interrupted_by_user.
Result<bool> is_sound(const Store& store, const BlobClaim& claim, int interrupt_fd, ByteCount& done) {
  const Result<UniqueFd> fd = store.open_blob(claim.digest);
  if (!fd) return false;
  Sha256 hash;
  std::uint64_t hashed = 0;
  const auto take = [&](std::string_view bytes) -> Result<void> {
    MRUN_TRY(check_interrupt(interrupt_fd));
    hash.update(bytes);
    done.store(hashed += bytes.size(), std::memory_order_relaxed);
    return {};
  };
  const Result<void> read = read_range(fd->get(), 0, claim.size, "it", ErrorCode::store_corrupt, take);
  if (!read && read.error().code == ErrorCode::interrupted_by_user) return tl::unexpected(read.error());
  return read && hash.finish() == claim.digest;
}

// One blob in several ranges. Each is written where it belongs; the hash follows as the beginning grows
// without a gap, from the page cache. What an interrupted pull has of each range is gone on with.
class RangedBlob {
 public:
  RangedBlob(Store::Writer& writer, const BlobClaim& claim)
      : m_writer(writer),
        m_claim(claim),
        m_reached(static_cast<std::size_t>((claim.size + k_range_bytes - 1) / k_range_bytes)) {
    for (std::size_t i = 0; i < m_reached.size(); ++i)
      m_reached[i] = begin_of(i);
    m_left = m_reached.size();
  }

  std::size_t ranges() const { return m_reached.size(); }
  std::uint64_t size_of(std::size_t range) const { return end_of(range) - begin_of(range); }

  // Each range once, on any thread.
  Result<void> fetch(std::size_t range, RegistryConnection& connection, ByteCount& done) {
    MRUN_TRY(open(connection, done));
    if (m_is_there) return {};
    if (!m_no_ranges) MRUN_TRY(fetch_range(range, connection, done));
    if (m_left.fetch_sub(1) > 1) return {};
    return finish(connection, done);
  }

 private:
  std::uint64_t begin_of(std::size_t range) const { return range * k_range_bytes; }
  std::uint64_t end_of(std::size_t range) const {
    return std::min<std::uint64_t>(begin_of(range) + k_range_bytes, m_claim.size);
  }

  // The first one to come looks at what an earlier pull left, and hashes its beginning.
  Result<void> open(const RegistryConnection& connection, ByteCount& done) {
    const std::scoped_lock lock(m_mutex);
    if (m_incoming || m_is_there) return {};
    MRUN_ASSIGN(std::optional<Store::Writer::Incoming> place,
                begin(m_writer, m_claim, connection.interrupt_fd(), {.gaps = Store::Writer::Gaps::keep}));
    m_is_there = !place;
    if (!place) {
      done = m_claim.size;
      return {};
    }
    m_incoming = std::make_unique<Store::Writer::Incoming>(std::move(*place));
    for (const WrittenPart& part : m_incoming->parts())
      for (std::size_t i = 0; i < m_reached.size(); ++i)
        if (part.begin <= begin_of(i) && begin_of(i) < part.end) m_reached[i] = std::min(part.end, end_of(i));
    for (std::size_t i = 0; i < m_reached.size(); ++i)
      done += m_reached[i] - begin_of(i);
    return {};
  }

  Result<void> fetch_range(std::size_t range, RegistryConnection& connection, ByteCount& done) {
    const std::uint64_t begin = m_reached[range];
    MRUN_ASSIGN(Store::Writer::Incoming::Part part, m_incoming->part(begin));
    std::uint64_t hashed = begin;
    BlobDownload download{.digest = m_claim.digest,
                          .size_bytes = m_claim.size,
                          .offset = begin,
                          .end_bytes = end_of(range),
                          .sink = [&](std::string_view bytes) -> Result<void> {
                            MRUN_TRY(part.write(bytes));
                            const std::uint64_t reached = m_reached[range] += bytes.size();
                            done.fetch_add(bytes.size(), std::memory_order_relaxed);
                            if (reached - hashed < k_hash_step_bytes) return {};
                            hashed = reached;
                            // Whoever finds another one hashing goes on.
                            const std::unique_lock lock(m_mutex, std::try_to_lock);
                            return lock.owns_lock() ? hash_on(k_hash_burst_bytes) : Result<void>();
                          },
                          .restart = [&]() -> Result<void> {
                            m_no_ranges = true;
                            return fail(ErrorCode::registry_reply, "the registry has no ranges");
                          }};
    const Result<void> got = connection.get_blob(download);
    if (!got && !m_no_ranges) return got;
    return {};
  }

  // Hashes what has come without a gap, so much of it.
  Result<void> hash_on(std::uint64_t most_bytes) {
    std::size_t range = static_cast<std::size_t>(m_incoming->size() / k_range_bytes);
    std::uint64_t upto = m_incoming->size();
    for (; range < m_reached.size() && m_reached[range] > upto; ++range) {
      upto = m_reached[range];
      if (upto < end_of(range)) break;
    }
    return m_incoming->extend(std::min(upto, m_incoming->size() + most_bytes));
  }

  // By whoever was the last.
  Result<void> finish(RegistryConnection& connection, ByteCount& done) {
    if (!m_no_ranges) {
      while (m_incoming->size() < m_claim.size) { // alone by now
        MRUN_TRY(check_interrupt(connection.interrupt_fd()));
        MRUN_TRY(hash_on(k_hash_burst_bytes));
      }
      Result<AddedBlob> added = m_incoming->finish(m_claim.digest);
      if (added) return {};
      if (added.error().code != ErrorCode::store_corrupt) return tl::unexpected(std::move(added).error());
    }
    m_incoming.reset();
    return fetch_blob(m_writer, m_claim, connection, done);
  }

  Store::Writer& m_writer;
  const BlobClaim m_claim;
  std::deque<std::atomic<std::uint64_t>> m_reached; // of each range, from its begin on
  std::atomic<std::size_t> m_left;
  std::atomic<bool> m_is_there = false;  // another process has brought it
  std::atomic<bool> m_no_ranges = false; // the registry sends the whole, whatever is asked for
  std::mutex m_mutex;                    // of what follows
  std::unique_ptr<Store::Writer::Incoming> m_incoming;
};

} // namespace

void add_fetch_tasks(Store::Writer& writer, const BlobClaim& blob, std::vector<TransferTask>& tasks) {
  if (blob.size <= k_ranged_bytes) {
    tasks.push_back({blob.size, [&writer, blob](RegistryConnection& connection, ByteCount& done) {
                       return fetch_blob(writer, blob, connection, done);
                     }});
    return;
  }
  // Shared by its tasks, which end on several threads.
  const auto ranged = std::make_shared<RangedBlob>(writer, blob);
  const auto count = std::make_shared<ByteCount>(0); // so is this
  for (std::size_t i = 0; i < ranged->ranges(); ++i)
    tasks.push_back({ranged->size_of(i),
                     [ranged, i](RegistryConnection& connection, ByteCount& done) {
                       return ranged->fetch(i, connection, done);
                     },
                     count});
}

void add_check_task(Store::Writer& writer, const Store& store, const BlobClaim& blob,
                    std::vector<TransferTask>& tasks) {
  tasks.push_back(
      {blob.size, [&writer, &store, blob](RegistryConnection& connection, ByteCount& done) -> Result<void> {
         MRUN_ASSIGN(const bool sound, is_sound(store, blob, connection.interrupt_fd(), done));
         if (sound) return {};
         return fetch_blob(writer, blob, connection, done, {.replaces = true});
       }});
}

Result<void> fetch_and_use(Store::Writer& writer, const Store& store, const BlobClaim& claim,
                           RegistryConnection& connection, ByteCount& done,
                           const std::function<Result<void>(int fd)>& take) {
  bool taken = false;
  MRUN_TRY(fetch(writer, claim, connection, done, [&](Store::Writer::Incoming& incoming) -> Result<void> {
    MRUN_ASSIGN(const int fd, incoming.use(claim.digest));
    taken = true;
    return take(fd);
  }));
  if (taken) return {};
  MRUN_ASSIGN(const UniqueFd fd, store.open_blob(claim.digest)); // it lies there as a file of some model
  return take(fd.get());
}

} // namespace mrun
