#include "daemon/service/resolver.h"

#include <algorithm>

namespace mrun {
namespace {

constexpr std::size_t k_kept_bundles = 64;

} // namespace

void Resolver::resolve(const std::string& version, Callback<BundlePtr> done) {
  Result<Reference> reference = Reference::parse(version);
  if (!reference) return done(tl::unexpected(std::move(reference).error()));
  Result<Digest> digest = m_store.resolve(*reference);
  if (!digest) return done(tl::unexpected(std::move(digest).error()));
  const auto known = std::find_if(m_recent.begin(), m_recent.end(),
                                  [&](const BundlePtr& bundle) { return bundle->digest == *digest; });
  if (known != m_recent.end()) {
    m_recent.splice(m_recent.begin(), m_recent, known);
    return done(m_recent.front());
  }
  m_background.call<BundlePtr>(
      [this, digest = *digest](ReaderDatabase&) -> Result<BundlePtr> {
        MRUN_ASSIGN(Bundle bundle, m_store.load(digest));
        return std::make_shared<const Bundle>(std::move(bundle));
      },
      [this, done = std::move(done)](Result<BundlePtr> bundle) {
        if (bundle) remember(*bundle);
        done(std::move(bundle));
      });
}

void Resolver::remember(const BundlePtr& bundle) {
  m_recent.push_front(bundle);
  if (m_recent.size() > k_kept_bundles) m_recent.pop_back();
}

} // namespace mrun
