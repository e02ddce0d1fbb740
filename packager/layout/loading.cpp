#include "packager/layout/loading.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/arrival.h"
#include "packager/bundle_format.h"
#include "packager/layout/layout_names.h"
#include "packager/oci_manifest.h"
#include "packager/remote_name.h"
#include "packager/signing/kept_signatures.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_layout_bytes = 4 * k_kib;
constexpr std::size_t k_max_loaded_index_bytes = 4 * k_mib;
constexpr std::size_t k_max_loaded_versions = 10'000;

Result<std::vector<IndexedManifest>> decode_index(std::string_view text) {
  MRUN_ASSIGN(const Json root,
              parse_json(text, ErrorCode::bundle_invalid, "index.json", {k_max_loaded_index_bytes, 16}));
  if (!root.is_object()) return load_invalid("index.json is not an object");
  MRUN_ASSIGN(const Json* entries, need_member(root, "manifests", Json::value_t::array, "index.json"));
  if (entries->size() > k_max_loaded_versions)
    return load_invalid(fmt::format("index.json names {} manifests, at most {} are allowed", entries->size(),
                                    k_max_loaded_versions));
  std::vector<IndexedManifest> out;
  for (const Json& entry : *entries) {
    MRUN_ASSIGN(const BlobClaim claim, decode_claim(entry, "an entry of index.json"));
    MRUN_ASSIGN(const std::optional<std::string> name,
                oci_annotation(entry, k_ref_name_annotation, "an entry of index.json"));
    out.push_back({claim.digest, name.value_or("")});
  }
  return out;
}

// What an entry is called here. Other tools write a whole reference, only a tag, or nothing.
Result<Reference> local_name(const IndexedManifest& entry, const Manifest& manifest) {
  MRUN_ASSIGN(Reference name, Reference::parse(manifest.name));
  if (entry.name.empty()) return name; // without a tag
  const bool whole = entry.name.find('/') != std::string::npos;
  MRUN_ASSIGN(const Reference written,
              Reference::parse(whole ? entry.name : manifest.name + ":" + entry.name));
  if (written.digest || !written.digest_prefix.empty()) return name;
  name = written.host.empty() ? written : local_reference(written);
  name.tag = name.tag_or_default();
  return name;
}

// An image or an index is passed over; a bundle with a fault is not.
bool names_a_bundle(std::string_view text) {
  const auto root = parse_json(text, ErrorCode::bundle_invalid, "a manifest", {k_max_oci_manifest_bytes, 16});
  if (!root || !root->is_object()) return false;
  const auto format = oci_annotation(*root, k_format_annotation, "a manifest");
  return format && format->has_value();
}

Result<std::string> read_small(const NextBytes& next, std::uint64_t size, std::size_t limit,
                               std::string_view name) {
  if (size > limit)
    return load_invalid(fmt::format("{} has {} bytes, at most {} are allowed", name, size, limit));
  std::string text;
  while (true) {
    MRUN_ASSIGN(const std::string_view bytes, next());
    if (bytes.empty()) return text;
    text += bytes;
    if (text.size() > limit) return load_invalid(fmt::format("{} has more than {} bytes", name, limit));
  }
}

} // namespace

tl::unexpected<Error> load_invalid(std::string message, std::string hint) {
  return fail(ErrorCode::bundle_invalid, std::move(message), std::move(hint));
}

tl::unexpected<Error> load_stopped() {
  return fail(ErrorCode::interrupted_by_user, "interrupted: nothing got a name",
              "repeat the command: what arrived is not written again");
}

Loading::Loading(Store& store, Store::Writer& writer, const LoadRequest& request)
    : m_store(store),
      m_writer(writer),
      m_request(request) {}

Result<void> Loading::take_entry(std::string_view name, std::uint64_t size, const NextBytes& next) {
  // A blob may come twice: the first one is whole and verified.
  if ((name == k_layout_name && m_has_layout) || (name == k_index_name && m_index))
    return load_invalid(fmt::format("{} is there twice", name));
  if (name == k_layout_name) {
    MRUN_ASSIGN(const std::string text, read_small(next, size, k_max_layout_bytes, name));
    m_has_layout = true;
    return check_layout_text(text);
  }
  if (name == k_index_name) {
    MRUN_ASSIGN(const std::string text, read_small(next, size, k_max_loaded_index_bytes, name));
    MRUN_ASSIGN(m_index, decode_index(text));
    return {};
  }
  if (!name.starts_with(k_blobs_prefix)) return {};
  const Result<Digest> digest = Digest::parse_hex(name.substr(k_blobs_prefix.size()));
  return digest ? take_blob(*digest, size, next) : Result<void>();
}

// A blob that the store has is passed over; what is read of it now would not be used.
Result<void> Loading::take_blob(const Digest& digest, std::uint64_t size, const NextBytes& next) {
  if (m_store.has_blob(digest, size)) return {};
  MRUN_TRY(check_disk(m_store, size));
  MRUN_ASSIGN(Store::Writer::Incoming incoming, m_writer.begin_blob());
  while (true) {
    MRUN_ASSIGN(const std::string_view bytes, next());
    if (bytes.empty()) break;
    MRUN_TRY(incoming.write(bytes));
  }
  const Result<AddedBlob> added = incoming.finish(digest);
  if (!added && added.error().code == ErrorCode::store_corrupt)
    return load_invalid(fmt::format("blob {} has other content", digest.text()),
                        "copy it again from where it came");
  if (!added) return tl::unexpected<Error>(added.error());
  if (added->is_new) m_result.new_bytes += added->size;
  return {};
}

Result<LoadResult> Loading::finish() {
  if (!m_has_layout || !m_index)
    return load_invalid("it is no OCI image layout: it lacks oci-layout or index.json");
  for (const IndexedManifest& entry : *m_index) {
    if (m_request.is_stopped && m_request.is_stopped()) return load_stopped();
    MRUN_TRY(check_entry(entry));
  }
  if (m_result.versions.empty())
    return load_invalid("there is no mrun bundle in it", "see what it holds with `skopeo inspect --raw`");
  if (m_request.name && m_result.versions.size() > 1)
    return fail(ErrorCode::usage,
                fmt::format("there are {} versions in it, and one name was given", m_result.versions.size()),
                "leave out the name: each gets its own");
  MRUN_TRY(check_names());
  for (const std::string& signature : m_signatures)
    MRUN_TRY(take_signature(signature));
  MRUN_TRY(name_versions());
  return std::move(m_result);
}

Result<void> Loading::check_entry(const IndexedManifest& entry) {
  if (const auto known = m_known.find(entry.digest); known != m_known.end())
    return add_version(entry, known->second);
  const Result<std::string> text = m_store.read_blob(entry.digest, k_max_oci_manifest_bytes);
  if (!text && text.error().code == ErrorCode::model_not_found)
    return load_invalid(fmt::format("it lacks the manifest {}", entry.digest.text()));
  if (!text) return tl::unexpected<Error>(text.error());
  const Result<BundleLayout> layout = decode_bundle(*text);
  if (!layout && signed_version(*text)) {
    m_signatures.push_back(*text);
    return {};
  }
  if (!layout && !names_a_bundle(*text)) {
    ++m_result.other_artifacts;
    return {};
  }
  if (!layout) return tl::unexpected<Error>(layout.error());
  Result<Bundle> bundle = m_store.load(entry.digest);
  if (!bundle && bundle.error().code == ErrorCode::store_corrupt)
    return load_invalid(
        fmt::format("version {} is not whole: {}", entry.digest.short_hex(), bundle.error().message));
  if (!bundle) return tl::unexpected<Error>(std::move(bundle).error());
  const auto known = m_known.emplace(entry.digest, Known{facts_of(*bundle), std::move(bundle->manifest)});
  return add_version(entry, known.first->second);
}

Result<void> Loading::add_version(const IndexedManifest& entry, const Known& known) {
  LoadedVersion version{entry.digest, {}, known.facts.size_bytes, std::nullopt};
  if (m_request.name) {
    version.reference = *m_request.name;
    version.reference.tag = version.reference.tag_or_default();
  } else {
    MRUN_ASSIGN(version.reference, local_name(entry, known.manifest));
  }
  m_result.versions.push_back(std::move(version));
  return {};
}

// A signature of a version that came along is kept beside it; whether it is any good is for the one who
// asks with a key.
Result<void> Loading::take_signature(const std::string& manifest) {
  const std::optional<Digest> version = signed_version(manifest);
  const auto same = [&](const LoadedVersion& loaded) { return loaded.digest == version; };
  if (std::ranges::none_of(m_result.versions, same)) {
    ++m_result.other_artifacts;
    return {};
  }
  const Result<BlobClaim> claim = decode_signature_manifest(manifest, *version);
  if (!claim) return load_invalid(fmt::format("a signature in it: {}", claim.error().message));
  const Result<std::string> bundle = m_store.read_blob(claim->digest, k_max_signature_bytes);
  if (!bundle) return load_invalid(fmt::format("it lacks the blob {} of a signature", claim->digest.text()));
  return keep_signature(m_writer, {manifest, *bundle}, *version);
}

Result<void> Loading::check_names() {
  MRUN_ASSIGN(const std::vector<TagEntry> entries, m_store.list());
  std::map<std::string, const TagEntry*> tags;
  for (const TagEntry& entry : entries)
    if (!entry.tag.empty()) tags[fmt::format("{}:{}", entry.model, entry.tag)] = &entry;
  for (LoadedVersion& version : m_result.versions) {
    const auto there = tags.find(fmt::format("{}:{}", version.reference.model(), version.reference.tag));
    if (there == tags.end()) continue;
    const TagEntry& entry = *there->second;
    if (entry.digest == version.digest)
      m_named.insert(version.reference.text());
    else if (!m_request.force)
      return fail_tag_elsewhere(version.reference, entry.digest, entry.origin);
    else
      version.previous = entry.digest;
  }
  return {};
}

Result<void> Loading::name_versions() {
  std::vector<Store::Writer::Naming> names;
  for (const LoadedVersion& version : m_result.versions)
    // A name that means this already keeps what is known of it.
    if (version.reference.tag.empty() || !m_named.contains(version.reference.text()))
      names.push_back({version.reference, version.digest, m_known.at(version.digest).facts, {"a file", ""}});
  return m_writer.name_all(names);
}

} // namespace mrun
