// Tags: what a caller notes beside a prediction (user=alice, feature=avatar), to sum costs by later
// (docs/formats/ledger.md).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/json.h"

namespace mrun {

using Tags = std::map<std::string, std::string>;

// The header that carries them, on every surface: `Mrun-Tags: user=alice,feature=avatar%20editor`.
inline constexpr const char* k_tags_header = "Mrun-Tags";

// A letter, then letters, digits, `_`, `-` and `.`; at most k_max_tag_key_bytes.
bool is_tag_key(std::string_view text);
// Adds "key=value" as a user writes it. The value is UTF-8 without control characters, at most
// k_max_tag_value_bytes, and not empty. Errors tag_invalid: not so, a key twice, over k_max_tags.
Result<void> add_tag(Tags& tags, std::string_view text);
// Adds the pairs of one header, separated by commas, blanks around them dropped; in a value anything may be
// %XX and `,`, `%`, blanks and what is not ASCII must be (as in W3C Baggage). Error tag_invalid.
Result<void> add_tags_of_header(Tags& tags, std::string_view header);
// The header's value.
std::string tags_header(const Tags& tags);

Json tags_json(const Tags& tags); // an object of strings
// As a column of the database: canonical JSON, "" without any.
std::string encode_tags(const Tags& tags);
Tags decode_tags(std::string_view text); // of encode_tags(); what is no tag is dropped

} // namespace mrun
