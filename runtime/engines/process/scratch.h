// A folder of files that the program and mrun exchange, one folder in it per prediction. It lies in the
// bundle's cache folder and goes with the worker; what a worker that was killed left behind goes at the next
// load.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/error.h"
#include "common/fd.h"

namespace mrun::process {

class Scratch {
 public:
  // Below `cache_fd`; sibling workers wait for each other. Errors: io, disk_full.
  static Result<Scratch> make(int cache_fd);
  Scratch(Scratch&& other) noexcept = default;
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch(); // removes all of it

  const std::string& path() const { return m_path; } // absolute
  // The folder of a prediction: absolute path. Errors: io, disk_full.
  Result<std::string> begin(std::uint64_t id);
  void end(std::uint64_t id);

  // Puts an input there, named so that the program sees its extension; gives the absolute path. Errors: io,
  // disk_full.
  Result<std::string> put(std::uint64_t id, const std::string& input, const std::string& file_name,
                          std::string_view bytes);
  // Opens what the program says that it wrote: a regular file in that prediction's folder, by a relative or
  // absolute path; links are not followed. Errors: prediction_failed (not there, elsewhere, no file),
  // output_limit.
  Result<UniqueFd> open(std::uint64_t id, const std::string& path, std::uint64_t& size_bytes) const;

 private:
  Scratch(UniqueFd folder, std::string path) : m_folder(std::move(folder)), m_path(std::move(path)) {}

  UniqueFd m_folder; // locked for as long as it is in use
  std::string m_path;
};

} // namespace mrun::process
