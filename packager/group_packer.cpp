#include "packager/group_packer.h"

namespace mrun {
namespace {

constexpr int k_group_scale = -1; // in the notes: the file lies in a group

// A file without a byte has no segment, wherever its group is.
std::vector<Segment> segments_in(const Digest& blob, std::uint64_t at, std::uint64_t size) {
  return size == 0 ? std::vector<Segment>() : std::vector<Segment>{{blob, at, size}};
}

} // namespace

void GroupPacker::add_jobs(std::vector<FileGroup> groups) {
  for (FileGroup& files : groups) {
    Group& group = m_groups.emplace_back(Group{std::move(files), {}, {}});
    m_run.pool().add([this, &group] { return add(group); });
  }
}

std::vector<BlobClaim> GroupPacker::pieces() const {
  std::vector<BlobClaim> out;
  for (const Group& group : m_groups)
    out.push_back(group.blob);
  return out;
}

Result<void> GroupPacker::add(Group& group) {
  for (const std::size_t file : group.files.files) {
    MRUN_ASSIGN(const PackRun::OpenFile opened, m_run.open(file));
    if (static_cast<std::uint64_t>(opened.status.st_size) != m_run.selected(file).size)
      return m_run.changed(file);
    group.before.push_back(opened.status);
  }
  if (const auto noted = find_noted(group)) {
    group.blob = *noted;
    for (const std::size_t file : group.files.files)
      m_run.progress(file)(m_run.selected(file).size);
  } else {
    MRUN_ASSIGN(group.blob, add_content(group));
  }
  keep(group);
  return {};
}

// The blob of the last pack, when it held these very files in this order.
std::optional<BlobClaim> GroupPacker::find_noted(const Group& group) {
  std::optional<BlobClaim> blob;
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < group.before.size(); ++i) {
    const std::size_t file = group.files.files[i];
    const auto note = m_run.find_note(file, group.before[i], k_group_scale);
    if (!note || note->pieces.size() != 1 || note->pieces[0].size != group.files.size_bytes)
      return std::nullopt;
    if (!blob) blob = note->pieces[0];
    if (note->segments != segments_in(blob->digest, at, m_run.selected(file).size)) return std::nullopt;
    at += m_run.selected(file).size;
  }
  return blob;
}

Result<void> GroupPacker::read_file(const Group& group, std::size_t index,
                                    const std::function<Result<void>(std::string_view)>& take) {
  const std::size_t file = group.files.files[index];
  MRUN_ASSIGN(const UniqueFd fd, m_run.open_again(file, group.before[index]));
  const Result<void> read =
      read_range(fd.get(), 0, m_run.selected(file).size, "it", ErrorCode::pack_file_changed, take);
  if (!read) return m_run.while_adding(file, read.error());
  if (!same_content(group.before[index], fd.get())) return m_run.changed(file);
  m_run.progress(file)(m_run.selected(file).size);
  return {};
}

Result<BlobClaim> GroupPacker::add_content(const Group& group) {
  const std::uint64_t size = group.files.size_bytes;
  const auto read_all = [&](const std::function<Result<void>(std::string_view)>& take) -> Result<void> {
    for (std::size_t i = 0; i < group.before.size(); ++i)
      MRUN_TRY(read_file(group, i, take));
    return {};
  };
  AddedBlob added;
  if (size > k_most_buffered_bytes) {
    MRUN_ASSIGN(Store::Writer::Incoming incoming, m_run.writer().begin_blob());
    MRUN_TRY(read_all([&](std::string_view bytes) { return incoming.write(bytes); }));
    MRUN_ASSIGN(added, incoming.finish(std::nullopt));
  } else {
    const auto buffer = m_run.writer().borrow_buffer(static_cast<std::size_t>(size));
    MRUN_TRY(read_all([&](std::string_view bytes) -> Result<void> {
      buffer->append(bytes);
      return {};
    }));
    MRUN_ASSIGN(added, m_run.writer().add_bytes(buffer->text()));
  }
  m_run.count(added);
  return BlobClaim{added.digest, added.size};
}

void GroupPacker::keep(const Group& group) {
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < group.before.size(); ++i) {
    const std::size_t file = group.files.files[i];
    const std::uint64_t size = m_run.selected(file).size;
    m_run.keep(file, group.before[i], k_group_scale, {segments_in(group.blob.digest, at, size), {group.blob}})
        .is_grouped = true;
    at += size;
  }
}

} // namespace mrun
