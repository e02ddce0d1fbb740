// From a checked API input to what a worker gets: file inputs become descriptors, secrets stay out of
// records.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/fd.h"
#include "common/json.h"
#include "packager/manifest.h"

namespace mrun {

// An uploaded file as an input: opened read-only at offset 0.
struct InputFile {
  std::string name;
  std::string media_type;
  std::uint64_t size_bytes = 0;
  UniqueFd fd;
};

// Finds an upload by id. Error file_not_found.
using OpenUpload = std::function<Result<InputFile>(const std::string& id)>;

struct PreparedInput {
  Json for_worker; // file inputs are {"$file": index, name, media_type, size}
  std::vector<UniqueFd> files;
  Json for_record;                  // secrets are "[secret]", long data URIs are cut to "data:TYPE;size=N,"
  std::vector<std::string> secrets; // their values, to be kept out of logs
  std::uint64_t size_bytes = 0;     // of the input's JSON and files
};

// `input` has passed check_input(). data: URIs (RFC 2397, base64 or percent-encoded) become sealed memfds,
// URLs with the path /v1/files/ID are uploads; `accept` and `max_bytes` of the manifest are checked, and
// that there are less than k_max_frame_fds files. Error input_file: names the input, what was given and what
// is allowed; another URL says to download it first.
Result<PreparedInput> prepare_input(const Manifest& manifest, Json input, const OpenUpload& open_upload);

// The upload's id in a URL or path such as http://HOST/v1/files/ID or /v1/files/ID/download; "" for anything
// else.
std::string upload_id_of_url(std::string_view url);

// Every occurrence of a secret (of at least 4 bytes) in `text` becomes "[secret]".
void redact(std::string& text, const std::vector<std::string>& secrets);

} // namespace mrun
