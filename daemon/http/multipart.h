// multipart/form-data (RFC 7578) as it arrives, in constant memory: parts' heads to a listener, their bytes
// after.
#pragma once

#include <string>
#include <string_view>

#include "common/error.h"

namespace mrun {

// A name that may stand in a header: valid UTF-8 without control characters.
bool is_header_text(std::string_view text);

// The boundary of a Content-Type `multipart/form-data; boundary=…`. Errors: media_type, body_invalid.
Result<std::string> multipart_boundary(std::string_view content_type);

struct MultipartPart {
  std::string name;         // of the form's field
  std::string file_name;    // "" when absent
  std::string content_type; // "" when absent
};

class MultipartListener {
 public:
  virtual ~MultipartListener() = default;
  virtual Result<void> on_part(const MultipartPart& part) = 0;
  virtual Result<void> on_data(std::string_view bytes) = 0; // of the last part; any number of times
};

class MultipartParser {
 public:
  // `listener` outlives the parser.
  MultipartParser(std::string boundary, MultipartListener& listener);

  // Errors: body_invalid, request_too_large (a part's head over 8 KiB, over 64 parts), the listener's own.
  Result<void> put(std::string_view bytes);
  // The body has ended. Error body_invalid unless the closing boundary was seen.
  Result<void> finish() const;

 private:
  enum class State { preamble, after_boundary, part_head, part_data, epilogue };

  Result<bool> step(); // false: needs more bytes
  Result<bool> skip_preamble();
  Result<bool> after_boundary();
  Result<bool> part_head();
  Result<bool> part_data();

  std::string m_delimiter; // CRLF -- boundary
  MultipartListener& m_listener;
  State m_state = State::preamble;
  std::string m_pending; // not yet understood: at most a part's head or a delimiter
  std::size_t m_parts = 0;
  std::size_t m_skip = 0; // bytes at the front of m_pending that belong to the part's head
};

} // namespace mrun
