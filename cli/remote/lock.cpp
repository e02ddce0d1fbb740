#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/client/interrupt.h"
#include "cli/context.h"
#include "cli/locked.h"
#include "cli/predict/target.h"
#include "cli/remote/credential_input.h"
#include "cli/remote/remote_target.h"
#include "cli/render/json_text.h"
#include "common/text.h"
#include "packager/registry/pull.h"
#include "packager/remote_name.h"

namespace mrun::cli {
namespace {

Result<LockEntry> remote_version(const Context& context, const Reference& remote,
                                 const std::optional<Credential>& credential, int interrupt_fd) {
  MRUN_ASSIGN(const std::unique_ptr<Registry> registry,
              open_registry(context, remote, interrupt_fd, false, credential));
  RegistryConnection connection(*registry);
  MRUN_ASSIGN(const RemoteManifest manifest,
              connection.get_manifest(remote.digest ? remote.digest->text() : remote.tag_or_default()));
  MRUN_TRY(check_type(manifest));
  LockEntry entry{manifest.digest, 0};
  // A manifest's layers are at most 2^53 bytes in all.
  if (is_bundle_manifest(manifest.bytes)) {
    MRUN_ASSIGN(const BundleLayout layout, decode_bundle(manifest.bytes));
    for (const BlobClaim& layer : layout.layers)
      entry.size_bytes += layer.size;
  } else {
    MRUN_ASSIGN(const ForeignArtifact foreign, decode_foreign(manifest.bytes));
    for (const ForeignLayer& layer : foreign.layers)
      entry.size_bytes += layer.blob.size;
  }
  return entry;
}

Result<LockEntry> local_version(const Context& context, const Reference& reference) {
  MRUN_ASSIGN(const Store store, open_store_to_read(context));
  MRUN_ASSIGN(const Digest digest, find_version(store, reference));
  MRUN_ASSIGN(const Bundle bundle, store.load(digest));
  return LockEntry{digest, bundle.size_bytes};
}

Result<std::vector<Reference>> names_to_lock(const Arguments& arguments, const LockFile& lock) {
  std::vector<std::string> names = arguments.positionals();
  if (names.empty())
    for (const auto& [name, entry] : lock.models)
      names.push_back(name);
  if (names.empty())
    return fail(ErrorCode::lock_missing, "there is nothing to lock", "mrun lock ghcr.io/acme/minilm");
  std::vector<Reference> references;
  for (const std::string& name : names) {
    MRUN_ASSIGN(Reference reference, Reference::parse(name));
    if (!reference.has_name())
      return fail(ErrorCode::reference_invalid,
                  fmt::format("`{}` is a digest without a name", printable(name, 100)),
                  "a lock pins names: [host/]owner/name[:tag]");
    references.push_back(std::move(reference));
  }
  return references;
}

void say_change(const Context& context, const std::string& name, const LockEntry* before,
                const LockEntry& now) {
  if (before == nullptr)
    context.say(fmt::format("{} is {}", name, now.digest.short_hex()));
  else if (before->digest == now.digest)
    context.say(fmt::format("{} is {} still", name, now.digest.short_hex()));
  else
    context.say(
        fmt::format("{} moved from {} to {}", name, before->digest.short_hex(), now.digest.short_hex()));
}

} // namespace

Result<int> run_lock(Context& context, const Arguments& arguments) {
  FoundLock found{k_lock_file_name, {}};
  if (find_lock_file(".")) {
    MRUN_ASSIGN(found, need_lock());
  }
  MRUN_ASSIGN(const std::vector<Reference> references, names_to_lock(arguments, found.lock));
  MRUN_ASSIGN(const std::optional<Credential> credential, given_credential(arguments, references));
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  LockFile lock = found.lock;
  for (const Reference& reference : references) {
    LockEntry entry;
    if (reference.host.empty()) {
      MRUN_ASSIGN(entry, local_version(context, reference));
    } else {
      MRUN_ASSIGN(entry, remote_version(context, reference, credential, interrupt.fd()));
    }
    say_change(context, lock_key(reference), found.lock.find(reference), entry);
    lock.models[lock_key(reference)] = entry;
  }
  MRUN_TRY(write_lock_file(found.path, lock)); // all of them, or none
  if (!context.json) return 0;
  MRUN_TRY(print_json(
      context.terminal,
      {{"schema", "mrun.locked/v1"}, {"path", found.path.string()}, {"models", models_json(lock)}}));
  return 0;
}

} // namespace mrun::cli
