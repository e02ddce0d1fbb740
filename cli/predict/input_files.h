// The files among a prediction's inputs: opened and checked before anything runs, then sent.
//
// Up to 256 KiB travels inside the request as a data URI, more is uploaded first and referred to by its URL.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/client/daemon_client.h"
#include "common/error.h"
#include "common/fd.h"
#include "common/json.h"
#include "packager/manifest.h"

namespace mrun::cli {

struct InputFile {
  Json::json_pointer place; // of the file argument in the input
  std::string path;         // for messages; "-" for standard input
  std::string name;         // of the file alone
  std::string media_type;
  UniqueFd fd; // regular file or memfd
  std::uint64_t size_bytes = 0;
  std::string data_uri; // of a small one; empty: to be uploaded
};

// In a file of inputs a file input is "@path", beside that file (`folder`): made file arguments, to be
// opened.
Json with_file_arguments(const Manifest& manifest, Json input, const std::filesystem::path& folder);

// Opens every file argument of `input`; standard input (`-`) and pipes are read whole, up to the upload
// limit. Checks size and type against the manifest. Small files are replaced by their data URIs, larger ones
// stay and are returned. Error input_file.
Result<std::vector<InputFile>> open_input_files(const Manifest& manifest, Json& input, int stdin_fd);

// What can be known of an input without opening its files: they can be read, the rest fits the schema.
// Errors input_*.
Result<void> check_unopened(const Manifest& manifest, Json input);

// `input` with every remaining file replaced by an empty data URI, for check_input.
Json with_placeholders(Json input, const std::vector<InputFile>& files);

// Uploads the files and puts their URLs into `input`. Errors of the API.
Result<void> upload_input_files(DaemonClient& client, std::vector<InputFile>& files, Json& input);

} // namespace mrun::cli
