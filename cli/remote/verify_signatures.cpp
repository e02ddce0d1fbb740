#include "cli/remote/verify_signatures.h"

#include <fmt/format.h>

#include "cli/client/interrupt.h"
#include "cli/predict/target.h"
#include "cli/remote/credential_input.h"
#include "cli/remote/remote_target.h"
#include "cli/remote/signing.h"
#include "common/text.h"
#include "packager/remote_name.h"
#include "packager/signing/kept_signatures.h"

namespace mrun::cli {
namespace {

Result<SignedReference> verify_remote(const Context& context, const Reference& remote,
                                      const SignatureDemand& demand,
                                      const std::optional<Credential>& credential) {
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  MRUN_ASSIGN(const std::unique_ptr<Registry> registry,
              open_registry(context, remote, interrupt.fd(), false, credential));
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
    if (arguments.has("token-stdin") || arguments.has("username"))
      return fail(ErrorCode::usage, "without `--key` no registry is asked, and a password has no use");
    report.local = arguments.positionals();
    return report;
  }
  if (arguments.positionals().empty())
    return fail(ErrorCode::usage, "`--key` verifies the signature of a version, and none is named",
                "mrun verify REF --key PUB");
  std::vector<Reference> references;
  for (const std::string& text : arguments.positionals()) {
    MRUN_ASSIGN(Reference reference, Reference::parse(text));
    if (!reference.host.empty()) MRUN_TRY(parse_remote(context, text));
    references.push_back(std::move(reference));
  }
  MRUN_ASSIGN(const std::optional<Credential> credential, given_credential(arguments, references));
  for (std::size_t i = 0; i < references.size(); ++i) {
    const Reference& reference = references[i];
    const bool is_remote = !reference.host.empty();
    MRUN_ASSIGN(const SignatureDemand demand, demand_for(context, arguments, reference));
    MRUN_ASSIGN(SignedReference one, is_remote ? verify_remote(context, reference, demand, credential)
                                               : verify_local(context, reference, demand));
    context.say(fmt::format("{}: {} is signed by {}", printable(one.reference, 300), one.digest.short_hex(),
                            printable(one.signed_by, 200)));
    report.found.push_back(std::move(one));
    if (!is_remote) report.local.push_back(arguments.positional(i));
  }
  return report;
}

} // namespace mrun::cli
