#include "packager/bundle_diff.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "packager/bundle_file_reader.h"

namespace mrun {
namespace {

constexpr std::uint64_t k_compare_bytes = 1 << 20;

// A stretch of a file, seen as the segments that it lies in.
struct Stretch {
  BundleFileReader& reader;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

Result<bool> same_read(const Stretch& a, const Stretch& b, std::uint64_t from, std::uint64_t length) {
  for (std::uint64_t at = 0; at < length; at += k_compare_bytes) {
    const std::uint64_t part = std::min(k_compare_bytes, length - at);
    MRUN_ASSIGN(const std::string one, a.reader.read(a.offset + from + at, part));
    MRUN_ASSIGN(const std::string other, b.reader.read(b.offset + from + at, part));
    if (one != other) return false;
  }
  return true;
}

// Whole blobs of one size and two digests.
bool surely_differ(const Store& store, const Segment& a, const Segment& b) {
  return a.offset == 0 && b.offset == 0 && a.length == b.length && a.blob != b.blob &&
         store.has_blob(a.blob, a.length) && store.has_blob(b.blob, b.length);
}

Result<bool> same_bytes(const Store& store, const Stretch& a, const Stretch& b) {
  if (a.length != b.length) return false;
  MRUN_ASSIGN(std::vector<Segment> left, a.reader.segments(a.offset, a.length));
  MRUN_ASSIGN(std::vector<Segment> right, b.reader.segments(b.offset, b.length));
  std::size_t i = 0, j = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> unsure; // offset and length, to be read at the end
  for (std::uint64_t at = 0; at < a.length;) {
    const std::uint64_t part = std::min(left[i].length, right[j].length);
    const bool same = left[i].blob == right[j].blob && left[i].offset == right[j].offset;
    if (!same && surely_differ(store, left[i], right[j])) return false;
    if (!same) unsure.emplace_back(at, part);
    at += part;
    for (auto [segment, index] : {std::pair(&left[i], &i), std::pair(&right[j], &j)}) {
      segment->offset += part;
      segment->length -= part;
      if (segment->length == 0) ++*index;
    }
  }
  for (const auto& [offset, length] : unsure) {
    MRUN_ASSIGN(const bool same, same_read(a, b, offset, length));
    if (!same) return false;
  }
  return true;
}

TensorChangeKind kind_of(const TensorPlace& before, const TensorPlace& after) {
  if (before.dtype != after.dtype) return TensorChangeKind::retyped;
  return before.shape != after.shape ? TensorChangeKind::reshaped : TensorChangeKind::changed;
}

class BundleComparison {
 public:
  BundleComparison(const Store& store, const Bundle& before, const Bundle& after)
      : m_store(store),
        m_before(before),
        m_after(after) {}

  Result<BundleDiff> run() {
    for (const BundleFile& old : m_before.files) {
      const BundleFile* now = m_after.find(old.path.text());
      if (now != nullptr)
        MRUN_TRY(compare_file(old, *now));
      else
        m_diff.files.push_back({old.path, FileChangeKind::removed, old, std::nullopt, std::nullopt});
    }
    for (const BundleFile& now : m_after.files)
      if (m_before.find(now.path.text()) == nullptr)
        m_diff.files.push_back({now.path, FileChangeKind::added, std::nullopt, now, std::nullopt});
    std::ranges::sort(m_diff.files, [](const FileChange& a, const FileChange& b) { return a.path < b.path; });
    m_diff.schema = diff_schemas(m_before.manifest, m_after.manifest);
    compare_facts();
    return std::move(m_diff);
  }

 private:
  Result<void> compare_file(const BundleFile& before, const BundleFile& after) {
    BundleFileReader old(m_store, before);
    BundleFileReader now(m_store, after);
    MRUN_ASSIGN(const bool same, same_bytes(m_store, {old, 0, before.size}, {now, 0, after.size}));
    if (same && before.mode == after.mode) {
      ++m_diff.same_files;
      return {};
    }
    FileChange change{before.path, same ? FileChangeKind::mode : FileChangeKind::changed, before, after,
                      std::nullopt};
    if (!same) {
      MRUN_ASSIGN(change.tensors, compare_tensors(old, now));
    }
    m_diff.files.push_back(std::move(change));
    return {};
  }

  Result<std::optional<TensorDiff>> compare_tensors(BundleFileReader& old, BundleFileReader& now) {
    MRUN_ASSIGN(const std::optional<WeightLayout> before, read_weight_layout(old.size(), old.read_at()));
    if (!before) return std::optional<TensorDiff>();
    MRUN_ASSIGN(const std::optional<WeightLayout> after, read_weight_layout(now.size(), now.read_at()));
    if (!after || after->format != before->format) return std::optional<TensorDiff>();
    std::map<std::string_view, const TensorPlace*> left; // of the old ones, those that were not met yet
    for (const TensorPlace& tensor : before->tensors)
      left[tensor.name] = &tensor;
    TensorDiff diff{.format = after->format, .changes = {}, .same_count = 0, .same_bytes = 0};
    for (const TensorPlace& tensor : after->tensors) {
      const auto found = left.find(tensor.name);
      if (found == left.end()) {
        diff.changes.push_back({tensor.name, TensorChangeKind::added, std::nullopt, tensor});
        continue;
      }
      MRUN_TRY(compare_tensor(old, *found->second, now, tensor, diff));
      left.erase(found);
    }
    for (const TensorPlace& tensor : before->tensors)
      if (left.contains(tensor.name))
        diff.changes.push_back({tensor.name, TensorChangeKind::removed, tensor, std::nullopt});
    return std::optional<TensorDiff>(std::move(diff));
  }

  Result<void> compare_tensor(BundleFileReader& old, const TensorPlace& before, BundleFileReader& now,
                              const TensorPlace& after, TensorDiff& diff) {
    const TensorChangeKind kind = kind_of(before, after);
    bool same = false;
    if (kind == TensorChangeKind::changed) {
      MRUN_ASSIGN(same, same_bytes(m_store, {old, before.offset, before.size_bytes},
                                   {now, after.offset, after.size_bytes}));
    }
    if (same) {
      ++diff.same_count;
      diff.same_bytes += after.size_bytes;
    } else {
      diff.changes.push_back({after.name, kind, before, after});
    }
    return {};
  }

  void compare_facts() {
    const Manifest& old = m_before.manifest;
    const Manifest& now = m_after.manifest;
    const auto compare = [&](const char* key, const auto& before, const auto& after) {
      if (before != after) m_diff.facts.push_back({key, fmt::format("{}", before), fmt::format("{}", after)});
    };
    compare("name", old.name, now.name);
    compare("license", old.license, now.license);
    compare("task", old.task, now.task);
    compare("engine", old.engine, now.engine);
    compare("network", old.network, now.network);
    compare("meter", old.meter_unit, now.meter_unit);
    compare("memory_mib", old.memory_mib.value_or(0), now.memory_mib.value_or(0));
    compare("devices", canonical_json(old.devices), canonical_json(now.devices));
  }

  const Store& m_store;
  const Bundle& m_before;
  const Bundle& m_after;
  BundleDiff m_diff;
};

} // namespace

std::string_view tensor_change_name(TensorChangeKind kind) {
  switch (kind) {
  case TensorChangeKind::added:
    return "added";
  case TensorChangeKind::removed:
    return "removed";
  case TensorChangeKind::changed:
    return "changed";
  case TensorChangeKind::reshaped:
    return "reshaped";
  case TensorChangeKind::retyped:
    return "retyped";
  }
  invariant_broken("every change has a name", __FILE__, __LINE__);
}

std::string_view file_change_name(FileChangeKind kind) {
  switch (kind) {
  case FileChangeKind::added:
    return "added";
  case FileChangeKind::removed:
    return "removed";
  case FileChangeKind::changed:
    return "changed";
  case FileChangeKind::mode:
    return "mode";
  }
  invariant_broken("every change has a name", __FILE__, __LINE__);
}

bool BundleDiff::breaks() const {
  return std::ranges::any_of(schema, &SchemaChange::breaks);
}

Result<BundleDiff> diff_bundles(const Store& store, const Bundle& before, const Bundle& after) {
  return BundleComparison(store, before, after).run();
}

} // namespace mrun
