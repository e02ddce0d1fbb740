#include "packager/reference.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/registry_host.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_reference_bytes = 1024;
constexpr std::size_t k_max_name_bytes =
    255; // host and name together, as the distribution specification says
constexpr std::size_t k_max_tag_bytes = 128;

bool is_lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_alnum(char c) {
  return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Distribution specification: [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
std::string_view part_problem(std::string_view part) {
  if (part.empty()) return "has an empty part";
  if (std::any_of(part.begin(), part.end(), [](char c) { return c >= 'A' && c <= 'Z'; }))
    return "has upper-case letters";
  for (std::size_t i = 0; i < part.size();) {
    if (is_lower_alnum(part[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < part.size() && !is_lower_alnum(part[end]))
      ++end;
    if (i == 0 || end == part.size()) return "has a part that does not begin and end with a letter or digit";
    const std::string_view separator = part.substr(i, end - i);
    const bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
    if (!dashes && separator != "." && separator != "_" && separator != "__")
      return "may have only letters, digits and single . _ - between them";
    i = end;
  }
  return {};
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); });
}

std::string_view tag_problem(std::string_view tag) {
  if (tag.empty()) return "has an empty tag";
  if (tag.size() > k_max_tag_bytes) return "has a tag of over 128 characters";
  if (!is_alnum(tag[0]) && tag[0] != '_') return "has a tag that does not begin with a letter, digit or _";
  if (!std::all_of(tag.begin(), tag.end(),
                   [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; }))
    return "has a tag with other characters than letters, digits and . _ -";
  return {};
}

bool looks_like_host(std::string_view part) {
  return part == "localhost" || part.find('.') != std::string_view::npos ||
         part.find(':') != std::string_view::npos;
}

std::string_view host_problem(std::string_view host) {
  std::string_view name = host;
  std::string_view port;
  if (const std::size_t bracket = host.rfind(']'); host.front() == '[' && bracket != std::string_view::npos) {
    name = host.substr(1, bracket - 1);
    if (name.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos || name.empty())
      return "has a host that is no IPv6 address";
    port = host.substr(bracket + 1);
  } else {
    const std::size_t colon = host.find(':');
    name = host.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : host.substr(colon);
    if (name.empty() ||
        !std::all_of(name.begin(), name.end(), [](char c) { return is_alnum(c) || c == '.' || c == '-'; }))
      return "has a host with other characters than letters, digits, . and -";
  }
  if (port.empty()) return {};
  const bool digits = port.size() >= 2 && port.size() <= 6 && port[0] == ':' &&
                      std::all_of(port.begin() + 1, port.end(), is_digit);
  return digits ? std::string_view() : "has a host whose port is no number";
}

tl::unexpected<Error> refuse(std::string_view text, std::string_view problem, std::string hint = {}) {
  return fail(ErrorCode::reference_invalid, fmt::format("reference `{}` {}", printable(text), problem),
              std::move(hint));
}

// What follows `@`: sha256:hex, hex, or a prefix of it.
Result<void> read_digest(std::string_view whole, std::string_view text, Reference& reference) {
  constexpr std::string_view prefix = "sha256:";
  if (text.substr(0, prefix.size()) == prefix) text.remove_prefix(prefix.size());
  if (!is_digest_prefix(text)) return refuse(whole, "has a digest that is not 8 to 64 lower-case hex digits");
  if (text.size() < 64) {
    reference.digest_prefix = text;
    return {};
  }
  MRUN_ASSIGN(reference.digest, Digest::parse_hex(text));
  return {};
}

Result<void> read_tag(std::string_view whole, std::string_view tag, Reference& reference) {
  if (tag.size() == 64 && is_hex(tag)) {
    if (reference.digest || !reference.digest_prefix.empty()) return refuse(whole, "has two digests");
    return read_digest(whole, tag, reference);
  }
  if (const std::string_view problem = tag_problem(tag); !problem.empty()) return refuse(whole, problem);
  reference.tag = tag;
  return {};
}

Result<void> read_name(std::string_view whole, std::string_view text, Reference& reference) {
  std::vector<std::string_view> parts = split(text, '/');
  if (parts.size() > 1 && looks_like_host(parts[0])) {
    if (const std::string_view problem = host_problem(parts[0]); !problem.empty())
      return refuse(whole, problem);
    reference.host = canonical_host(parts[0]);
    parts.erase(parts.begin());
  } else if (parts.size() > 2) {
    return refuse(whole,
                  "has more parts than owner/name, and its first is no host (a host has a `.` or a `:`)");
  }
  for (const std::string_view part : parts)
    if (const std::string_view problem = part_problem(part); !problem.empty())
      return refuse(whole, problem,
                    lower_ascii(whole) != whole ? fmt::format("write it as {}", printable(lower_ascii(whole)))
                                                : "");
  reference.name = parts.back();
  parts.pop_back();
  for (const std::string_view part : parts)
    reference.owner += (reference.owner.empty() ? "" : "/") + std::string(part);
  if (parts.empty() && reference.host.empty()) reference.owner = "local";
  if (reference.model().size() > k_max_name_bytes) return refuse(whole, "is longer than 255 characters");
  return {};
}

} // namespace

Result<Reference> Reference::parse(std::string_view text) {
  Reference reference;
  if (text.empty()) return refuse(text, "is empty");
  if (text.size() > k_max_reference_bytes) return refuse(text, "is longer than 1024 characters");
  if (is_directory_argument(text)) return refuse(text, "is a directory, not a name");
  if (is_digest_prefix(text)) {
    reference.digest_prefix = text;
    if (text.size() == 64) {
      MRUN_ASSIGN(reference.digest, Digest::parse_hex(text));
    }
    return reference;
  }
  if (text.substr(0, 7) == "sha256:" && is_digest_prefix(text.substr(7))) return parse(text.substr(7));
  std::string_view rest = text;
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    MRUN_TRY(read_digest(text, rest.substr(at + 1), reference));
    rest = rest.substr(0, at);
  }
  const std::size_t slash = rest.rfind('/');
  const std::size_t colon = rest.find(':', slash == std::string_view::npos ? 0 : slash);
  if (colon != std::string_view::npos) {
    MRUN_TRY(read_tag(text, rest.substr(colon + 1), reference));
    rest = rest.substr(0, colon);
  }
  MRUN_TRY(read_name(text, rest, reference));
  return reference;
}

std::string Reference::model() const {
  std::string out;
  for (const std::string* part : {&host, &owner, &name})
    if (!part->empty()) out += (out.empty() ? "" : "/") + *part;
  return out;
}

std::string Reference::text() const {
  if (!has_name()) return digest ? digest->text() : "sha256:" + digest_prefix;
  if (digest) return model() + "@" + digest->text();
  if (!digest_prefix.empty()) return model() + "@sha256:" + digest_prefix;
  return model() + ":" + tag_or_default();
}

std::string model_name_problem(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, '/');
  if (parts.size() != 2) return "is not of the form owner/name";
  for (const std::string_view part : parts)
    if (const std::string_view problem = part_problem(part); !problem.empty()) return std::string(problem);
  if (looks_like_host(parts[0])) return "has an owner that reads as a host";
  return text.size() > k_max_name_bytes ? "is longer than 255 characters" : "";
}

std::string model_name_of(std::string_view owner, std::string_view name) {
  constexpr std::size_t k_max_part_bytes = 100;
  const auto plain = [](std::string_view text) {
    std::string word;
    for (const char c : lower_ascii(text.substr(0, k_max_part_bytes)))
      if (is_lower_alnum(c))
        word += c;
      else if (!word.empty() && word.back() != '-')
        word += '-';
    while (word.ends_with('-'))
      word.pop_back();
    return word;
  };
  const std::string owner_word = plain(owner);
  const std::string name_word = plain(name);
  const bool no_owner = owner_word.empty() || looks_like_host(owner_word);
  return (no_owner ? "local" : owner_word) + "/" + (name_word.empty() ? "model" : name_word);
}

bool is_directory_argument(std::string_view text) {
  return !text.empty() && (text[0] == '.' || text[0] == '/' || text[0] == '~');
}

} // namespace mrun
