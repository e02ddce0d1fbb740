// A model file cut into blobs below a folder of its own, and the file door that joins it again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/file_door.h"

namespace mrun::test {

struct Cut {
  std::uint64_t own_bytes = 0;   // members from here on have blobs of their own; 0: nothing is cut
  std::uint64_t piece_bytes = 0; // of at most this many bytes
  bool by_members = true;        // false: every `piece_bytes`, whatever is there
};

// As `mrun pack` cuts: a large member has blobs of its own, and all that lies between is one blob. Removed by
// the destructor.
class CutModel {
 public:
  CutModel(std::string_view bytes, const Cut& cut);
  ~CutModel();
  CutModel(const CutModel&) = delete;
  CutModel& operator=(const CutModel&) = delete;

  const mrun_file& file() const { return m_door->abi_files()[0]; } // `model.pt2`
  std::size_t segment_count() const { return m_segments.size(); }

 private:
  std::string add_blob(std::string_view bytes);
  void add_own(std::string_view bytes, std::uint64_t piece_bytes);
  void add_glue(std::string_view bytes);

  std::string m_folder;
  int m_blob_count = 0;
  std::string m_glue;
  Json m_segments = Json::array();
  std::optional<FileDoor> m_door;
};

} // namespace mrun::test
