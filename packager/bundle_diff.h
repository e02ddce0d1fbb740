// What differs between two versions of a model: files, the tensors of their weights, the schema, the
// manifest.
//
// Content is compared by its place first: what both keep in the same blob is the same and is not read, two
// whole blobs with different digests differ. Only what remains is read, up to the first difference.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "packager/schema_diff.h"
#include "packager/store.h"
#include "packager/weights/weight_layout.h"

namespace mrun {

enum class TensorChangeKind {
  added,
  removed,
  changed,  // other bytes
  reshaped, // another shape, of the same type
  retyped,  // another type
};
std::string_view tensor_change_name(TensorChangeKind kind);

struct TensorChange {
  std::string name;
  TensorChangeKind kind = TensorChangeKind::changed;
  std::optional<TensorPlace> before; // of what was not added
  std::optional<TensorPlace> after;  // of what was not removed
};

struct TensorDiff {
  WeightFormat format = WeightFormat::safetensors;
  std::vector<TensorChange> changes; // in the order of the new file, then what was removed
  std::size_t same_count = 0;        // tensors whose bytes are the same
  std::uint64_t same_bytes = 0;
};

enum class FileChangeKind { added, removed, changed, mode };
std::string_view file_change_name(FileChangeKind kind);

struct FileChange {
  SafePath path;
  FileChangeKind kind = FileChangeKind::changed;
  std::optional<BundleFile> before;
  std::optional<BundleFile> after;
  std::optional<TensorDiff> tensors; // of a changed file that is weights in one format, before and after
};

// A line of the manifest that is no part of the schema: license, engine, …
struct FactChange {
  std::string key;
  std::string before;
  std::string after;
};

struct BundleDiff {
  std::vector<FileChange> files; // by path
  std::vector<SchemaChange> schema;
  std::vector<FactChange> facts;
  std::size_t same_files = 0;

  bool differs() const { return !files.empty() || !schema.empty() || !facts.empty(); }
  bool breaks() const;
};

// Errors: store_corrupt, io.
Result<BundleDiff> diff_bundles(const Store& store, const Bundle& before, const Bundle& after);

} // namespace mrun
