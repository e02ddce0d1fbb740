// What a registry's replies say: a stranger's headers and bodies, taken apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/limits.h"
#include "packager/registry/http.h"
#include "packager/store.h"

namespace mrun {

inline constexpr std::size_t k_max_listed_tags = 100'000;
inline constexpr std::uint64_t k_max_chunk_bytes = 1024 * k_mib; // whatever a registry asks for

bool is_redirect(int status);
// Whether a reply to a HEAD says that the blob is there; nullopt: it says neither.
std::optional<bool> says_there(const HttpReply& reply, const BlobClaim& blob);
std::string media_type_of(const HttpReply& reply); // in lower case, without parameters
// The `next` target of Link headers (RFC 8288); "" for none.
std::string next_link(const HttpReply& reply);
// Content-Range "bytes 5-9/10" → 5. nullopt: not that.
std::optional<std::uint64_t> content_range_start(const HttpReply& reply);
// Range "0-b" or "bytes=0-b" of an upload → b + 1 bytes are there. nullopt: not that.
std::optional<std::uint64_t> received_bytes(const HttpReply& reply);
// OCI-Chunk-Min-Length; 0 for none, at most k_max_chunk_bytes.
std::uint64_t least_chunk(const HttpReply& reply);

// The registry's own words of an error reply: "CODE: message". They are shown, never acted on.
std::string registry_words(const HttpReply& reply);
// A page of the list of tags (end-8), at most k_max_listed_tags, fit to be shown. Error registry_reply.
Result<std::vector<std::string>> parse_tags(std::string_view body);

} // namespace mrun
