#include "cli/predict/target.h"

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "cli/check_model.h"
#include "cli/locked.h"
#include "common/limits.h"
#include "packager/pack.h"
#include "packager/reference.h"
#include "packager/remote_name.h"

namespace mrun::cli {
namespace {

Result<Digest> pack_on_the_fly(const Context& context, Store& store, const std::string& argument) {
  const std::string folder = expand_home(argument);
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_ASSIGN(const PackResult packed,
              pack_directory(store, folder,
                             {.tag = {},
                              .untagged = true,
                              .notes = home.pack_notes(),
                              .on_progress = {},
                              .check = [&](const Manifest& manifest, const std::filesystem::path& where) {
                                return check_model(context, manifest, where);
                              }}));
  if (context.verbose)
    context.say(fmt::format("packed {} as {} (untagged, kept for {} h)", folder, packed.digest.short_hex(),
                            k_lease_lifetime.count()));
  return packed.digest;
}

// The locked version, if it is here: another one that the tag means by now is no harm, but worth a word.
Result<PredictTarget> find_locked(const Context& context, const Store& store, const Reference& reference,
                                  const Digest& locked) {
  const Result<Digest> tagged = find_version(store, reference);
  Reference exact = reference;
  exact.digest = locked;
  const Result<Digest> here = find_version(store, exact);
  Result<Bundle> bundle = here ? store.load(*here) : tl::unexpected<Error>(here.error());
  if (!bundle && bundle.error().code != ErrorCode::model_not_found)
    return tl::unexpected<Error>(std::move(bundle).error());
  if (!bundle)
    return fail(
        ErrorCode::lock_mismatch,
        fmt::format("mrun.lock says that {} is {}, which is not here{}", lock_key(reference),
                    locked.short_hex(), tagged ? fmt::format("; here it is {}", tagged->short_hex()) : ""),
        reference.host.empty() ? fmt::format("accept what is here: mrun lock {}", lock_key(reference)) : "");
  if (tagged && *tagged != *here)
    context.warn(fmt::format("{} is {} here by now; mrun.lock keeps {}", lock_key(reference),
                             tagged->short_hex(), here->short_hex()));
  const std::string name = bundle->manifest.name;
  return PredictTarget{name, std::move(*bundle)};
}

} // namespace

std::string expand_home(const std::string& path) {
  const char* home = std::getenv("HOME");
  const bool tilde = path == "~" || path.starts_with("~/");
  return tilde && home != nullptr ? home + path.substr(1) : path;
}

Result<Store> open_store_to_read(const Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  std::error_code error;
  const bool there = std::filesystem::exists(home.data / "oci-layout", error);
  if (error)
    return fail_errno(ErrorCode::home_refused, error.value(),
                      fmt::format("can't read the store {}", home.data.string()));
  if (!there)
    return fail(
        ErrorCode::model_not_found, fmt::format("the store {} is empty", home.data.string()),
        "pack a model with `mrun pack DIR`, or begin one with `mrun init DIR --template text-embedding`");
  return Store::open(home.data, true);
}

Result<Store> open_store_to_write(const Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_TRY(home.create());
  return Store::open(home.data);
}

void warn_of_engine(const Context& context, const Store& store, const Digest& version) {
  const auto install = context.install();
  const auto bundle = store.load(version);
  if (!install || !bundle || bundle->manifest.engine == "native") return;
  std::error_code ignored;
  if (std::filesystem::exists(install->engine(bundle->manifest.engine), ignored)) return;
  context.warn(
      fmt::format("this mrun has no engine `{}`: the model can't run here (`mrun version` lists them)",
                  bundle->manifest.engine));
}

Result<PredictTarget> find_target(const Context& context, const Arguments& arguments) {
  const std::string argument = arguments.positional(0);
  if (is_directory_argument(argument)) {
    if (arguments.has("locked")) return fail(ErrorCode::usage, "--locked needs a reference, not a folder");
    MRUN_ASSIGN(Store store, open_store_to_write(context));
    MRUN_ASSIGN(const Digest digest, pack_on_the_fly(context, store, argument));
    MRUN_ASSIGN(Bundle bundle, store.load(digest));
    return PredictTarget{bundle.manifest.name, std::move(bundle)};
  }
  MRUN_ASSIGN(const Reference reference, Reference::parse(argument));
  MRUN_ASSIGN(const std::optional<Digest> locked, locked_version(arguments, reference));
  MRUN_ASSIGN(const Store store, open_store_to_read(context));
  if (locked) return find_locked(context, store, reference, *locked);
  Result<Digest> digest = find_version(store, reference);
  if (!digest) {
    Error error = std::move(digest).error();
    std::error_code ignored;
    if (error.code == ErrorCode::model_not_found && std::filesystem::exists(argument + "/mrun.yaml", ignored))
      error.hint = fmt::format("for the folder write ./{}", argument);
    return tl::unexpected<Error>(std::move(error));
  }
  MRUN_ASSIGN(Bundle bundle, store.load(*digest));
  return PredictTarget{bundle.manifest.name, std::move(bundle)};
}

bool target_needs_pull(const Context& context, const Arguments& arguments) {
  const std::string argument = arguments.positional(0);
  if (is_directory_argument(argument) || arguments.has("dry-run")) return false;
  const auto reference = Reference::parse(argument);
  if (!reference || reference->host.empty()) return false; // what is wrong is said by find_target()
  const std::string when = arguments.value("pull").value_or("missing");
  if (when != "missing") return when == "always";
  const auto locked = locked_version(arguments, *reference);
  if (!locked) return false;
  const auto store = open_store_to_read(context);
  if (!store) return store.error().code == ErrorCode::model_not_found;
  Reference exact = *reference;
  if (*locked) exact.digest = *locked;
  const auto here = pulled_version(*store, exact);
  return here && !*here;
}

} // namespace mrun::cli
