// Inputs of a model from a command line: one of -i, or many of a file with a JSON object a line.
#pragma once

#include <string>
#include <vector>

#include "common/digest.h"
#include "common/error.h"
#include "common/json.h"
#include "packager/manifest.h"

namespace mrun::cli {

struct CaseLine {
  Json input;        // "@path" of a file input is a file argument, beside the file of cases
  std::string place; // "cases.jsonl:3", for messages
};
struct CaseFile {
  std::vector<CaseLine> cases; // not empty
  Digest digest;               // of the file's text
};

// At most 10,000 cases and 64 MiB; empty lines count for nothing. Not checked against the schema yet. Errors:
// `unreadable` for the file, `code` with the line for what is in it.
Result<CaseFile> read_case_file(const Manifest& manifest, const std::string& path, ErrorCode unreadable,
                                ErrorCode code);

// The input of -i's KEY=VALUE texts. Errors: input_*.
Result<Json> input_of_flags(const Manifest& manifest, const std::vector<std::string>& texts);

} // namespace mrun::cli
