#include "daemon/service/resolver.h"

#include <algorithm>

#include "packager/remote_name.h"

namespace mrun {
namespace {

constexpr std::size_t k_kept_bundles = 64;

} // namespace

void Resolver::resolve(const std::string& version, Callback<BundlePtr> done) {
  Result<Reference> reference = Reference::parse(version);
  if (!reference) return done(tl::unexpected(std::move(reference).error()));
  if (reference->digest && find_recent(*reference->digest)) return done(m_recent.front());
  // A name is looked up in the index, which is held in memory; the versions that begin with some digits are
  // searched for in the store, and one that has no name is read to see whether it is whole.
  if (!reference->digest_prefix.empty() || (!reference->host.empty() && reference->digest))
    return m_background.call<Digest>([&store = m_store, reference = std::move(*reference)](
                                         ReaderDatabase&) { return find_version(store, reference); },
                                     [this, done = std::move(done)](Result<Digest> digest) mutable {
                                       load(std::move(digest), std::move(done));
                                     });
  load(find_version(m_store, *reference), std::move(done));
}

void Resolver::load(Result<Digest> digest, Callback<BundlePtr> done) {
  if (!digest) return done(tl::unexpected(std::move(digest).error()));
  if (find_recent(*digest)) return done(m_recent.front());
  m_background.call<BundlePtr>(
      [&store = m_store, digest = *digest](ReaderDatabase&) -> Result<BundlePtr> {
        MRUN_ASSIGN(Bundle bundle, store.load(digest));
        return std::make_shared<const Bundle>(std::move(bundle));
      },
      [this, done = std::move(done)](Result<BundlePtr> bundle) {
        if (bundle) remember(*bundle);
        done(std::move(bundle));
      });
}

bool Resolver::find_recent(const Digest& digest) {
  const auto known =
      std::ranges::find(m_recent, digest, [](const BundlePtr& bundle) { return bundle->digest; });
  if (known == m_recent.end()) return false;
  m_recent.splice(m_recent.begin(), m_recent, known);
  return true;
}

void Resolver::remember(const BundlePtr& bundle) {
  m_recent.push_front(bundle);
  if (m_recent.size() > k_kept_bundles) m_recent.pop_back();
}

} // namespace mrun
