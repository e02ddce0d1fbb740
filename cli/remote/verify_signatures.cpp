#include "cli/remote/verify_signatures.h"

#include <fmt/format.h>

#include "cli/client/interrupt.h"
#include "cli/predict/target.h"
#include "cli/remote/remote_target.h"
#include "cli/remote/signing.h"
#include "common/text.h"
#include "packager/remote_name.h"
#include "packager/signing/kept_signatures.h"

namespace mrun::cli {
namespace {

Result<SignedReference> verify_remote(const Context& context, const Reference& remote,
                                      const SignatureDemand& demand) {
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  MRUN_ASSIGN(const std::unique_ptr<Registry> registry, open_registry(context, remote, interrupt.fd()));
  RegistryConnection connection(*registry);
  MRUN_ASSIGN(const RemoteManifest manifest,
              connection.get_manifest(remote.digest ? remote.digest->text() : remote.tag_or_default()));
  MRUN_ASSIGN(const SignatureFinding finding, find_signature(connection, manifest.digest, demand));
  return SignedReference{remote.text(), manifest.digest, finding.signed_by};
}

Result<SignedReference> verify_local(const Context& context, const Reference& reference,
                                     const SignatureDemand& demand) {
  MRUN_ASSIGN(const Store store, open_store_to_read(context));
  MRUN_ASSIGN(const Digest version, find_version(store, reference));
  MRUN_ASSIGN(const std::vector<SignatureArtifact> kept, kept_signatures(store, version));
  if (kept.empty())
    return fail(ErrorCode::signature_missing,
                fmt::format("the store keeps no signature of version {}", version.short_hex()),
                "mrun pull HOST/OWNER/NAME --key PUB brings one along");
  MRUN_ASSIGN(const Verdict verdict, check_signatures(kept, version, demand.keys));
  return SignedReference{reference.text(), version, verdict.key->name()};
}

} // namespace

Result<SignatureReport> verify_signatures(const Context& context, const Arguments& arguments) {
  SignatureReport report;
  if (!arguments.has("key")) {
    report.local = arguments.positionals();
    return report;
  }
  if (arguments.positionals().empty())
    return fail(ErrorCode::usage, "`--key` verifies the signature of a version, and none is named",
                "mrun verify REF --key PUB");
  for (const std::string& text : arguments.positionals()) {
    MRUN_ASSIGN(const Reference reference, Reference::parse(text));
    const bool is_remote = !reference.host.empty();
    if (is_remote) MRUN_TRY(parse_remote(context, text));
    MRUN_ASSIGN(const SignatureDemand demand, demand_for(context, arguments, reference));
    MRUN_ASSIGN(SignedReference one, is_remote ? verify_remote(context, reference, demand)
                                               : verify_local(context, reference, demand));
    context.say(fmt::format("{}: {} is signed by {}", printable(one.reference, 300), one.digest.short_hex(),
                            printable(one.signed_by, 200)));
    report.found.push_back(std::move(one));
    if (!is_remote) report.local.push_back(text);
  }
  return report;
}

} // namespace mrun::cli
