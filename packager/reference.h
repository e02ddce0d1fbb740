// Names of models: [host/]owner/name[:tag][@sha256:hex] (docs/formats/references.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "common/error.h"

namespace mrun {

struct Reference {
  std::string host;  // "" = this machine's store; else with `.`, `:` or `localhost`, as canonical_host()
  std::string owner; // `local` when none was written; may hold further path parts, or be empty, below a host
  std::string name;
  std::string tag;              // "" = not written; tag_or_default() applies
  std::optional<Digest> digest; // @sha256:…, or Replicate's owner/name:64hex
  std::string digest_prefix; // 8..63 digits after `@`, or 8..64 digits alone (then owner and name are empty)

  // Accepts every form of DECISIONS, and a bare 8..64 hex digits. Error: reference_invalid, saying what is
  // wrong.
  static Result<Reference> parse(std::string_view text);

  bool has_name() const { return !name.empty(); }
  std::string model() const; // [host/]owner/name; "" for a bare digest
  std::string tag_or_default() const { return tag.empty() ? "latest" : tag; }
  std::string text() const; // canonical: model:tag or model@digest
};

// `owner/name` exactly as a manifest's `name:` must be; the reason why not, or "".
std::string model_name_problem(std::string_view text);
// owner/name made of any two texts: lower case, other characters than letters and digits become `-`; what
// leaves nothing becomes `local` and `model`, an owner that reads as a host `local`.
std::string model_name_of(std::string_view owner, std::string_view name);

// True for what begins with `.`, `/` or `~`: a directory, not a reference.
bool is_directory_argument(std::string_view text);

} // namespace mrun
