// Files that share blobs, one behind the other. Internal to the packager.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "packager/cut/file_groups.h"
#include "packager/pack_run.h"

namespace mrun {

class GroupPacker {
 public:
  explicit GroupPacker(PackRun& run) : m_run(run) {}

  void add_jobs(std::vector<FileGroup> groups);
  std::vector<BlobClaim> pieces() const; // when the jobs are done: a blob a group

 private:
  struct Group {
    FileGroup files;
    std::vector<struct stat> before; // of each
    BlobClaim blob;
  };

  Result<void> add(Group& group);
  std::optional<BlobClaim> find_noted(const Group& group);
  Result<BlobClaim> add_content(const Group& group);
  Result<void> read_file(const Group& group, std::size_t index,
                         const std::function<Result<void>(std::string_view)>& take);
  void keep(const Group& group);

  PackRun& m_run;
  std::deque<Group> m_groups; // jobs hold on to them
};

} // namespace mrun
