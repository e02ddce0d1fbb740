#include "tests/torch/cut_model.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>

#include "common/zip_directory.h"

namespace mrun::test {
namespace {

std::string blob_name(int number) {
  return fmt::format("{:064x}", number);
}

// The archive's members of at least `least_bytes`, in the order of the file.
std::vector<ZipMember> large_members(std::string_view bytes, std::uint64_t least_bytes) {
  const auto directory = ZipDirectory::read(
      bytes.size(), [&](std::uint64_t offset, std::uint64_t length) -> Result<std::string> {
        return std::string(bytes.substr(offset, length));
      });
  MRUN_CHECK(directory.has_value());
  std::vector<ZipMember> members;
  for (const ZipMember& member : directory->members())
    if (member.size_bytes >= std::max<std::uint64_t>(least_bytes, 1)) members.push_back(member);
  std::ranges::sort(members, {}, &ZipMember::offset);
  return members;
}

} // namespace

CutModel::CutModel(std::string_view bytes, const Cut& cut) {
  char pattern[] = "/tmp/mrun-cut-XXXXXX";
  MRUN_CHECK(::mkdtemp(pattern) != nullptr);
  m_folder = pattern;
  add_blob(""); // number 0 is the glue's, which is complete last
  if (cut.own_bytes == 0 || !cut.by_members) {
    add_own(bytes, cut.own_bytes == 0 ? bytes.size() : cut.piece_bytes);
  } else {
    std::uint64_t at = 0;
    for (const ZipMember& member : large_members(bytes, cut.own_bytes)) {
      add_glue(bytes.substr(at, member.offset - at));
      at = member.offset + member.size_bytes;
      add_own(bytes.substr(member.offset, member.size_bytes), cut.piece_bytes);
    }
    add_glue(bytes.substr(at));
    std::ofstream(m_folder + "/" + blob_name(0)) << m_glue;
  }
  UniqueFd folder(::open(m_folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  auto door = FileDoor::make(
      Json::array(
          {Json{{"path", "model.pt2"}, {"mode", 420}, {"size", bytes.size()}, {"segments", m_segments}}}),
      std::move(folder));
  MRUN_CHECK(door.has_value());
  m_door.emplace(std::move(*door));
}

CutModel::~CutModel() {
  std::filesystem::remove_all(m_folder);
}

std::string CutModel::add_blob(std::string_view bytes) {
  const std::string name = blob_name(m_blob_count++);
  std::ofstream(m_folder + "/" + name) << bytes;
  return name;
}

void CutModel::add_own(std::string_view bytes, std::uint64_t piece_bytes) {
  for (std::uint64_t at = 0; at < bytes.size(); at += piece_bytes) {
    const std::string_view piece = bytes.substr(at, piece_bytes);
    m_segments.push_back({{"blob", add_blob(piece)}, {"offset", 0}, {"length", piece.size()}});
  }
}

void CutModel::add_glue(std::string_view bytes) {
  m_segments.push_back({{"blob", blob_name(0)}, {"offset", m_glue.size()}, {"length", bytes.size()}});
  m_glue += bytes;
}

} // namespace mrun::test
