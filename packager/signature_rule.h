// `require_signature` of config.yaml: whose versions must be signed, and by which keys (docs/signing.md).
//
// Only words are kept here; who checks a signature reads the keys (packager/signing/key.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "packager/yaml_tree.h"

namespace mrun {

enum class SignatureMode { off, warn, enforce };

struct SignatureRule {
  std::string pattern; // host/owner[/…]; `*` stands for any characters within a part
  SignatureMode mode = SignatureMode::enforce;
  std::vector<std::string> keys; // each a PEM text, or the absolute path of a file
};

// The value of the key: a map of patterns, in the order of the file. A relative path counts from the folder
// of `file_name`. Error config_invalid.
Result<std::vector<SignatureRule>> read_signature_rules(const YamlNode& node, std::string_view file_name);

// The first rule that fits: each part of its pattern fits the part of host/repository at the same place,
// which may have more parts. nullptr: none.
const SignatureRule* rule_for(const std::vector<SignatureRule>& rules, std::string_view host,
                              std::string_view repository);

} // namespace mrun
