// Names of models: [host/]owner/name[:tag][@sha256:hex] (DECISIONS "References").
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "common/error.h"

namespace mrun {

struct Reference {
  std::string host;  // "" = this machine's store; else with `.`, `:` or `localhost`
  std::string owner; // `local` when none was written; may hold further path parts below a host
  std::string name;
  std::string tag;                  // "" = not written; default_tag() applies
  std::optional<Digest> digest;     // @sha256:…, or Replicate's owner/name:64hex
  std::string digest_prefix;        // a bare digest or its prefix of 8..64 digits; then owner and name are empty

  // Accepts every form of DECISIONS, and a bare 8..64 hex digits. Error: reference_invalid, saying what is wrong.
  static Result<Reference> parse(std::string_view text);

  std::string model() const;      // [host/]owner/name
  std::string tag_or_default() const { return tag.empty() ? "latest" : tag; }
  std::string text() const;       // canonical: model:tag or model@digest
};

// True for what begins with `.`, `/` or `~`: a directory, not a reference.
bool is_directory_argument(std::string_view text);

} // namespace mrun
