// Writing into the store: pack and, later, pull.
//
// A Writer holds the store's shared lock from begin_write() to its end, so that gc never sees half a bundle.
// Blobs may be added in any order; nothing refers to them until tag() or keep().
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <sys/stat.h>

#include "common/limits.h"
#include "packager/piece_buffer.h"
#include "packager/sha256.h"
#include "packager/store.h"
#include "packager/store_files.h"

namespace mrun {

struct AddedBlob {
  Digest digest;
  std::uint64_t size = 0;
  bool is_new = false; // false: the store had it
};

// Whether an open file is as it was before: the same one, its size and times the same.
bool same_content(const struct stat& before, int fd);

// Larger blobs are written while they are read, even if the store turns out to have them: pieces of models of
// more than 4 TiB.
inline constexpr std::uint64_t k_most_buffered_bytes = 256 * k_mib;

struct FileRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

class Store::Writer {
 public:
  using Progress = std::function<void(std::uint64_t done_bytes)>; // of this blob

  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Whether a blob of this size is there.
  bool has(const BlobClaim& claim) const;
  // As Store::partial_bytes().
  std::uint64_t partial_bytes(const BlobClaim& claim) const;
  // Whether a blob of this size is there that has not been touched since `since_ns` (wall clock).
  bool has_untouched(const BlobClaim& claim, std::int64_t since_ns) const;

  Result<AddedBlob> add_bytes(std::string_view bytes);
  // The content of an open regular file: cloned where the file system can, else as add_ranges(). Error
  // pack_file_changed when size or times differ after the read.
  Result<AddedBlob> add_file(int fd, std::string_view name, const Progress& progress);

  // Stretches of an open file, one after the other, as one blob. Up to k_most_buffered_bytes it is read once,
  // into memory, and written only when the store lacks it; a larger one is written as it is read. That the
  // file does not change meanwhile is for the caller to see. Errors: those of the disk, pack_file_changed
  // when it has become shorter.
  Result<AddedBlob> add_ranges(int fd, std::span<const FileRange> ranges, const Progress& progress);
  // For who gathers a blob for add_bytes().
  std::shared_ptr<PieceBuffer> borrow_buffer(std::size_t capacity) { return m_buffers.borrow(capacity); }

  // A blob that arrives in pieces (a download). Unless finished it is dropped, or left for resume_blob() when
  // it came from there.
  class Incoming {
   public:
    Incoming(Incoming&& other) noexcept;
    Incoming& operator=(Incoming&&) = delete;
    ~Incoming();
    Result<void> write(std::string_view bytes);
    std::uint64_t size() const { return m_size; } // what is there
    // What is there beyond that, with gaps.
    const std::vector<WrittenPart>& parts() const { return m_parts; }
    Result<void> restart(); // forgets what is there

    // For a blob that comes in several places at once: a part writes from an offset on, on any thread, beyond
    // what is hashed; extend() hashes what has come up to `upto`, then size() is that.
    class Part {
     public:
      Result<void> write(std::string_view bytes) { return m_file_system.write(m_fd.get(), bytes); }

     private:
      friend class Incoming;
      Part(FileSystem& file_system, UniqueFd fd) : m_file_system(file_system), m_fd(std::move(fd)) {}
      FileSystem& m_file_system;
      UniqueFd m_fd;
    };
    Result<Part> part(std::uint64_t offset);
    Result<void> extend(std::uint64_t upto, const std::function<Result<void>()>& go_on = nullptr);

    // Error store_corrupt when the content is not `expected`.
    Result<AddedBlob> finish(const std::optional<Digest>& expected);
    // Instead of finish(), for what is used and not kept (an archive): the descriptor of the whole content,
    // at its start, valid as long as this object. Error store_corrupt as above.
    Result<int> use(const Digest& expected);

   private:
    friend class Writer;
    Incoming(Writer& writer, std::string name, UniqueFd fd, bool stays);
    void drop();
    Result<void> check(const Digest& digest, const std::optional<Digest>& expected);

    Writer* m_writer; // nullptr: moved from, or ended
    std::string m_name;
    UniqueFd m_fd;
    Sha256 m_hash;
    std::uint64_t m_size = 0;
    std::vector<WrittenPart> m_parts;
    bool m_stays; // when it is not finished
  };
  Result<Incoming> begin_blob();
  // Goes on with what an interrupted download of this blob left in tmp/pull-HEX: what lies before the first
  // gap is hashed again first, as long as `go_on` gives no error. What lies behind it is cut off, or kept for
  // extend(). nullopt: another process is at it.
  enum class Gaps { cut, keep };
  using GoOn = std::function<Result<void>()>;
  Result<std::optional<Incoming>> resume_blob(const Digest& digest, std::uint64_t size, Gaps gaps = Gaps::cut,
                                              const GoOn& go_on = nullptr);

  // Small texts in tmp/ that stay for a day, and what gc makes of them (pull_notes.h). `name`: kept-….
  Result<void> write_note(const std::string& name, std::string_view text);
  static std::string read_note(const Store& store, const std::string& name); // "" for none
  void touch_note(const std::string& name);                                  // its day begins anew
  void drop_note(const std::string& name);
  // What an interrupted download left of a blob that is not wanted any more, unless another process is at it.
  void drop_partial(const Digest& digest);

  // Makes all blobs durable and points the tag at `manifest`, which this writer or another added.
  Result<void> tag(const Reference& reference, const Digest& manifest, const VersionFacts& facts,
                   const Provenance& from = {});
  // The same without a tag: the lease keeps it. `model`: the name to show.
  Result<void> keep(const std::string& model, const Digest& manifest, const VersionFacts& facts,
                    std::chrono::seconds lifetime);
  // Names for versions that this writer or another added; one without a tag is kept under its digest, until
  // the user removes it.
  struct Naming {
    Reference reference;
    Digest manifest;
    VersionFacts facts;
    Provenance from;
  };
  // All of them in one change of the index: either each version has its name, or none.
  Result<void> name_all(const std::vector<Naming>& names);
  // As Store::trust(), of a version that this writer added.
  Result<void> trust(const Digest& version);
  // Keeps `manifest`, which this writer added with all that it names, as long as the version `subject` stays.
  Result<void> attach(const Digest& manifest, const Digest& subject, const std::string& artifact_type);

 private:
  friend class Store;
  Writer(Impl& store, FileLock lock) : m_store(store), m_lock(std::move(lock)) {}

  // `replaces`: in place of a blob of that size that is there, which may be damaged; else that one stays.
  Result<AddedBlob> publish(const std::string& temporary, int fd, const Digest& digest, std::uint64_t size,
                            bool replaces = false);
  Result<bool> has_blob(const Digest& digest, std::uint64_t size);
  Result<void> put_entries(std::vector<IndexEntry> entries);
  // Bytes in memory, and what they hash to.
  struct Gathered {
    std::shared_ptr<PieceBuffer> buffer; // as lent
    Digest digest;
  };
  Result<Gathered> gather(int fd, std::span<const FileRange> ranges, std::uint64_t size,
                          const Progress& progress);
  Result<AddedBlob> add_hashed(std::string_view bytes, const Digest& digest);
  Result<AddedBlob> add_as_read(int fd, std::span<const FileRange> ranges, const Progress& progress);
  Result<std::optional<AddedBlob>> clone_file(int fd, const struct stat& before, std::string_view name,
                                              const Progress& progress);

  Impl& m_store; // outlives the writer
  FileLock m_lock;
  PieceBuffers m_buffers;
  std::atomic<bool> m_can_clone = true; // until the file system refused
};

} // namespace mrun
