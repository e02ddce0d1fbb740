#include "packager/layout/layout_load.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/text.h"
#include "packager/arrival.h"
#include "packager/bundle_format.h"
#include "packager/layout/layout_names.h"
#include "packager/oci_manifest.h"
#include "packager/remote_name.h"
#include "packager/signing/kept_signatures.h"
#include "packager/store_writer.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_layout_bytes = 4 * k_kib;
constexpr std::size_t k_max_loaded_index_bytes = 4 * k_mib;
constexpr std::size_t k_max_loaded_versions = 10'000;
constexpr std::size_t k_max_archive_entries = 4 * k_max_bundle_files; // several versions
constexpr std::size_t k_folder_read_bytes = 1 * k_mib;

tl::unexpected<Error> invalid(std::string message, std::string hint = {}) {
  return fail(ErrorCode::bundle_invalid, std::move(message), std::move(hint));
}

tl::unexpected<Error> stopped() {
  return fail(ErrorCode::interrupted_by_user, "interrupted: nothing got a name",
              "repeat the command: what arrived is not written again");
}

// The next bytes of a file; empty at its end.
using NextBytes = std::function<Result<std::string_view>()>;

// A manifest that the index names.
struct IndexedManifest {
  Digest digest;
  std::string name; // as written; "" when it has none
};

Result<std::vector<IndexedManifest>> decode_index(std::string_view text) {
  MRUN_ASSIGN(const Json root,
              parse_json(text, ErrorCode::bundle_invalid, "index.json", {k_max_loaded_index_bytes, 16}));
  if (!root.is_object()) return invalid("index.json is not an object");
  MRUN_ASSIGN(const Json* entries, need_member(root, "manifests", Json::value_t::array, "index.json"));
  if (entries->size() > k_max_loaded_versions)
    return invalid(fmt::format("index.json names {} manifests, at most {} are allowed", entries->size(),
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

class Loading {
 public:
  Loading(Store& store, Store::Writer& writer, const LoadRequest& request)
      : m_store(store),
        m_writer(writer),
        m_request(request) {}

  Result<void> take_layout(std::string_view text) {
    m_has_layout = true;
    return check_layout_text(text);
  }
  Result<void> take_index(std::string_view text) {
    MRUN_ASSIGN(m_index, decode_index(text));
    return {};
  }
  const std::vector<IndexedManifest>& index() const { return *m_index; }

  // A blob that the store has is passed over; what is read of it now would not be used.
  Result<void> take_blob(const Digest& digest, std::uint64_t size, const NextBytes& next) {
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
      return invalid(fmt::format("blob {} has other content", digest.text()),
                     "copy it again from where it came");
    if (!added) return tl::unexpected<Error>(added.error());
    if (added->is_new) m_result.new_bytes += added->size;
    return {};
  }

  // When all blobs are in the store: what the index names is checked, then all of it gets its names.
  Result<LoadResult> finish() {
    if (!m_has_layout || !m_index)
      return invalid("it is no OCI image layout: it lacks oci-layout or index.json");
    for (const IndexedManifest& entry : *m_index) {
      if (m_request.is_stopped && m_request.is_stopped()) return stopped();
      MRUN_TRY(check_entry(entry));
    }
    if (m_result.versions.empty())
      return invalid("there is no mrun bundle in it", "see what it holds with `skopeo inspect --raw`");
    if (m_request.name && m_result.versions.size() > 1)
      return fail(
          ErrorCode::usage,
          fmt::format("there are {} versions in it, and one name was given", m_result.versions.size()),
          "leave out the name: each gets its own");
    MRUN_TRY(check_names());
    for (const std::string& signature : m_signatures)
      MRUN_TRY(take_signature(signature));
    MRUN_TRY(name_versions());
    return std::move(m_result);
  }

 private:
  // What is needed of a bundle, once for all names that it has.
  struct Known {
    VersionFacts facts;
    Manifest manifest;
  };

  Result<void> check_entry(const IndexedManifest& entry) {
    if (const auto known = m_known.find(entry.digest); known != m_known.end())
      return add_version(entry, known->second);
    const Result<std::string> text = m_store.read_blob(entry.digest, k_max_oci_manifest_bytes);
    if (!text && text.error().code == ErrorCode::model_not_found)
      return invalid(fmt::format("it lacks the manifest {}", entry.digest.text()));
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
      return invalid(
          fmt::format("version {} is not whole: {}", entry.digest.short_hex(), bundle.error().message));
    if (!bundle) return tl::unexpected<Error>(std::move(bundle).error());
    const auto known = m_known.emplace(entry.digest, Known{facts_of(*bundle), std::move(bundle->manifest)});
    return add_version(entry, known.first->second);
  }

  Result<void> add_version(const IndexedManifest& entry, const Known& known) {
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
  Result<void> take_signature(const std::string& manifest) {
    const std::optional<Digest> version = signed_version(manifest);
    const auto same = [&](const LoadedVersion& loaded) { return loaded.digest == version; };
    if (std::ranges::none_of(m_result.versions, same)) {
      ++m_result.other_artifacts;
      return {};
    }
    const Result<BlobClaim> claim = decode_signature_manifest(manifest, *version);
    if (!claim) return invalid(fmt::format("a signature in it: {}", claim.error().message));
    const Result<std::string> bundle = m_store.read_blob(claim->digest, k_max_signature_bytes);
    if (!bundle) return invalid(fmt::format("it lacks the blob {} of a signature", claim->digest.text()));
    return keep_signature(m_writer, {manifest, *bundle}, *version);
  }

  // An image or an index is passed over; a bundle with a fault is not.
  static bool names_a_bundle(std::string_view text) {
    const auto root =
        parse_json(text, ErrorCode::bundle_invalid, "a manifest", {k_max_oci_manifest_bytes, 16});
    if (!root || !root->is_object()) return false;
    const auto format = oci_annotation(*root, k_format_annotation, "a manifest");
    return format && format->has_value();
  }

  Result<void> check_names() {
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

  Result<void> name_versions() {
    std::vector<Store::Writer::Naming> names;
    for (const LoadedVersion& version : m_result.versions)
      // A name that means this already keeps what is known of it.
      if (!m_named.contains(version.reference.text()))
        names.push_back(
            {version.reference, version.digest, m_known.at(version.digest).facts, {"a file", ""}});
    return m_writer.name_all(names, k_lease_lifetime);
  }

  Store& m_store;
  Store::Writer& m_writer;
  const LoadRequest& m_request;
  bool m_has_layout = false;
  std::optional<std::vector<IndexedManifest>> m_index;
  std::map<Digest, Known> m_known;
  std::set<std::string> m_named;
  std::vector<std::string> m_signatures; // their manifests
  LoadResult m_result;
};

// Counts what is read, ends when told, and gives the first bytes again after they were looked at.
Result<ArchiveSource> watched(ArchiveSource source, const LoadRequest& request,
                              ArchiveCompression& compression) {
  MRUN_ASSIGN(const std::string_view first, source());
  using namespace std::string_view_literals;
  compression = first.starts_with("\x1f\x8b"sv)           ? ArchiveCompression::gzip
                : first.starts_with("\x28\xb5\x2f\xfd"sv) ? ArchiveCompression::zstd
                                                          : ArchiveCompression::none;
  return [source = std::move(source), &request, first, is_first = true,
          read = std::uint64_t{0}]() mutable -> Result<std::string_view> {
    if (request.is_stopped && request.is_stopped()) return stopped();
    std::string_view bytes = first;
    if (!is_first) {
      MRUN_ASSIGN(bytes, source());
    }
    is_first = false;
    read += bytes.size();
    if (request.on_progress) request.on_progress(read);
    return bytes;
  };
}

Result<std::string> read_small(const NextBytes& next, std::uint64_t size, std::size_t limit,
                               std::string_view name) {
  if (size > limit) return invalid(fmt::format("{} has {} bytes, at most {} are allowed", name, size, limit));
  std::string text;
  while (true) {
    MRUN_ASSIGN(const std::string_view bytes, next());
    if (bytes.empty()) return text;
    text += bytes;
    if (text.size() > limit) return invalid(fmt::format("{} has more than {} bytes", name, limit));
  }
}

// Gives one entry of an archive or of a folder to the loading.
Result<void> take_entry(Loading& loading, std::string_view name, std::uint64_t size, const NextBytes& next) {
  if (name == k_layout_name) {
    MRUN_ASSIGN(const std::string text, read_small(next, size, k_max_layout_bytes, name));
    return loading.take_layout(text);
  }
  if (name == k_index_name) {
    MRUN_ASSIGN(const std::string text, read_small(next, size, k_max_loaded_index_bytes, name));
    return loading.take_index(text);
  }
  if (!name.starts_with(k_blobs_prefix)) return {};
  const Result<Digest> digest = Digest::parse_hex(name.substr(k_blobs_prefix.size()));
  return digest ? loading.take_blob(*digest, size, next) : Result<void>();
}

class LayoutFolder {
 public:
  LayoutFolder(Loading& loading, UniqueFd fd, const LoadRequest& request)
      : m_loading(loading),
        m_fd(std::move(fd)),
        m_request(request),
        m_buffer(k_folder_read_bytes, '\0') {}

  Result<void> take(const std::string& name) {
    Result<UniqueFd> file = real_file_system().open(m_fd.get(), name, O_RDONLY | O_NONBLOCK, 0);
    if (!file) return invalid(fmt::format("it lacks {}: {}", name, file.error().message));
    const Result<std::uint64_t> size = file_size(file->get(), name);
    if (!size) return invalid(size.error().message);
    return take_entry(m_loading, name, *size, [&]() -> Result<std::string_view> {
      if (m_request.is_stopped && m_request.is_stopped()) return stopped();
      ssize_t got = -1;
      do
        got = ::read(file->get(), m_buffer.data(), m_buffer.size());
      while (got < 0 && errno == EINTR);
      if (got < 0) return fail_errno(ErrorCode::io, errno, fmt::format("can't read {}", name));
      m_read += static_cast<std::uint64_t>(got);
      if (m_request.on_progress) m_request.on_progress(m_read);
      return std::string_view(m_buffer.data(), static_cast<std::size_t>(got));
    });
  }

 private:
  Loading& m_loading;
  UniqueFd m_fd;
  const LoadRequest& m_request;
  std::string m_buffer;
  std::uint64_t m_read = 0;
};

// What a manifest needs besides itself; of one that is neither a bundle nor a signature nothing is taken.
std::vector<BlobClaim> named_blobs(const std::string& manifest) {
  if (const auto layout = decode_bundle(manifest)) return blobs_of(*layout);
  const auto version = signed_version(manifest);
  if (!version) return {};
  const auto claim = decode_signature_manifest(manifest, *version);
  return claim ? std::vector{*claim} : std::vector<BlobClaim>();
}

std::string blob_name(const Digest& digest) {
  return std::string(k_blobs_prefix) + digest.hex();
}

} // namespace

Result<LoadResult> load_archive(Store& store, ArchiveSource source, const LoadRequest& request) {
  ArchiveLimits limits;
  limits.max_entries = k_max_archive_entries;
  ArchiveCompression compression{};
  MRUN_ASSIGN(ArchiveSource counted, watched(std::move(source), request, compression));
  MRUN_ASSIGN(ArchiveReader archive, ArchiveReader::open(std::move(counted), compression, limits));
  MRUN_ASSIGN(const std::unique_ptr<Store::Writer> writer, store.begin_write());
  Loading loading(store, *writer, request);
  std::set<std::string> seen;
  while (true) {
    MRUN_ASSIGN(const std::optional<ArchiveEntry> entry, archive.next());
    if (!entry) break;
    const std::string name = entry->path.text();
    if (!seen.insert(name).second) return invalid(fmt::format("{} is there twice", printable(name)));
    MRUN_TRY(take_entry(loading, name, entry->size_bytes, [&] { return archive.read(); }));
  }
  return loading.finish();
}

Result<LoadResult> load_folder(Store& store, const std::filesystem::path& folder,
                               const LoadRequest& request) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno(ErrorCode::io, errno, fmt::format("can't open {}", printable(folder.string())));
  MRUN_ASSIGN(const std::unique_ptr<Store::Writer> writer, store.begin_write());
  Loading loading(store, *writer, request);
  LayoutFolder layout(loading, std::move(fd), request);
  MRUN_TRY(layout.take(std::string(k_layout_name)));
  MRUN_TRY(layout.take(std::string(k_index_name)));
  for (const IndexedManifest& entry : loading.index()) {
    MRUN_TRY(layout.take(blob_name(entry.digest)));
    const Result<std::string> text = store.read_blob(entry.digest, k_max_oci_manifest_bytes);
    if (!text) continue; // finish() says what is wrong with it, if anything is
    for (const BlobClaim& claim : named_blobs(*text))
      if (!store.has_blob(claim.digest, claim.size)) MRUN_TRY(layout.take(blob_name(claim.digest)));
  }
  return loading.finish();
}

} // namespace mrun
