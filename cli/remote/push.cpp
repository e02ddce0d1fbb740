#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/interrupt.h"
#include "cli/context.h"
#include "cli/predict/target.h"
#include "cli/remote/credential_input.h"
#include "cli/remote/remote_target.h"
#include "cli/remote/signing.h"
#include "cli/remote/transfer_line.h"
#include "cli/render/json_text.h"
#include "common/text.h"
#include "packager/registry/push.h"
#include "packager/remote_name.h"

namespace mrun::cli {
namespace {

// Cut files are read once for their digest as one piece; the cache keeps it.
Result<ModelPackExport> make_export(const Context& context, const Store& store, const Digest& version) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_ASSIGN(const Bundle bundle, store.load(version));
  TransferLine line(context, "reading");
  return export_modelpack(
      store, bundle,
      {.notes = home.cache / "whole-files.json", .on_progress = [&](std::uint64_t done, std::uint64_t total) {
         line.show({.done_bytes = done, .total_bytes = total, .moved_bytes = done});
       }});
}

std::string mounted_text(std::uint64_t bytes) {
  return bytes == 0 ? "" : fmt::format(", {} taken from other models on the registry", format_bytes(bytes));
}

} // namespace

Result<int> run_push(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const Reference local, Reference::parse(arguments.positional(0)));
  const std::string target =
      arguments.positional(1).empty() ? arguments.positional(0) : arguments.positional(1);
  MRUN_ASSIGN(const Reference remote, parse_remote(context, target));
  if (remote.digest)
    return fail(ErrorCode::usage,
                fmt::format("`{}` holds a digest: that follows from the content", printable(target, 100)),
                "write the remote name as HOST/OWNER/NAME or HOST/OWNER/NAME:TAG");
  if (arguments.has("token-stdin") && arguments.has("passphrase-stdin"))
    return fail(ErrorCode::usage, "both the token and the passphrase would come from standard input",
                "give the passphrase in MRUN_SIGN_PASSPHRASE");
  MRUN_ASSIGN(std::optional<Credential> credential, given_credential(arguments, {remote}));
  std::optional<PrivateKey> key; // read first: a wrong one must not be found out after the upload
  if (arguments.has("sign")) {
    MRUN_ASSIGN(key, read_signing_key(context, arguments));
  }
  MRUN_ASSIGN(const Store store, open_store_to_read(context));
  PushRequest request;
  MRUN_ASSIGN(request.version, find_version(store, local));
  request.remote = remote;
  request.dry_run = arguments.has("dry-run");
  std::optional<ModelPackExport> exported;
  if (arguments.value("format") == "modelpack") {
    MRUN_ASSIGN(exported, make_export(context, store, request.version));
    request.exported = &*exported;
  }
  // From here on a Ctrl-C has something to end in order; before, it simply ends the process.
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  MRUN_ASSIGN(const HomePaths home, context.home());
  request.notes = home.push_notes();
  MRUN_ASSIGN(const std::unique_ptr<Registry> registry,
              open_registry(context, remote, interrupt.fd(), true, std::move(credential)));
  TransferLine line(context, "pushing");
  if (!request.dry_run)
    request.transfer.on_progress = [&](const TransferProgress& progress) { line.show(progress); };
  MRUN_ASSIGN(const PushResult pushed, push(*registry, request, store));
  bool signature_sent = false;
  if (key && !request.dry_run) {
    RegistryConnection connection(*registry);
    MRUN_ASSIGN(signature_sent, push_signature(connection, {pushed.digest, pushed.manifest_bytes}, *key));
  }
  const std::string name = fmt::format("{}:{}", remote.model(), remote.tag_or_default());
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.push/v1"},
                                           {"digest", pushed.digest.text()},
                                           {"version", request.version.hex()},
                                           {"format", exported ? "modelpack" : "mrun"},
                                           {"reference", name},
                                           {"was_there", pushed.was_there},
                                           {"size_bytes", pushed.size_bytes},
                                           {"sent_bytes", pushed.sent_bytes},
                                           {"mounted_bytes", pushed.mounted_bytes},
                                           {"key_hint", key ? Json(key->public_key().hint()) : Json(nullptr)},
                                           {"signature_sent", signature_sent},
                                           {"dry_run", request.dry_run}}));
    return 0;
  }
  if (!request.dry_run) MRUN_TRY(context.terminal.out(pushed.digest.text() + "\n"));
  if (pushed.was_there)
    context.say(fmt::format("{} is {} already", name, pushed.digest.short_hex()));
  else
    context.say(fmt::format("{} {} {}: {} of {} {}{}", name, request.dry_run ? "would be" : "is now",
                            pushed.digest.short_hex(), format_bytes(pushed.sent_bytes),
                            format_bytes(pushed.size_bytes), request.dry_run ? "would be sent" : "sent",
                            mounted_text(pushed.mounted_bytes)));
  if (key)
    context.say(fmt::format("{} with {}",
                            request.dry_run  ? "it would be signed"
                            : signature_sent ? "signed"
                                             : "it is signed already",
                            printable(key->public_key().name(), 200)));
  return 0;
}

} // namespace mrun::cli
